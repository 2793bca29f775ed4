package notebook

import "strings"

// likeness compares release cell i with the student's cell j, from 0 to 1. In an answer or plain cell it is the share of
// released lines, placeholders aside, that survive; in a locked cell lines that were added count against it as much.
func (m *matching) likeness(i, j int) float64 {
	switch kind := m.release.Cells[i].Kind(); {
	case kind.Answer():
		return m.overlap(i, j, stubLines)
	case kind == KindPlain:
		return m.overlap(i, j, nil)
	}
	return min(m.overlap(i, j, nil), share(m.written(j), m.released(i), nil))
}

// overlap is the share of the lines of release cell i, without those to ignore, that the student's cell j has too.
func (m *matching) overlap(i, j int, ignore map[string]bool) float64 {
	return share(m.released(i), m.written(j), ignore)
}

func share(of, in map[string]int, ignore map[string]bool) float64 {
	common, all := 0, 0
	for l, n := range of {
		if !ignore[l] {
			all += n
			common += min(n, in[l])
		}
	}
	if all == 0 {
		return 0
	}
	return float64(common) / float64(all)
}

func (m *matching) released(i int) map[string]int { return m.counted(i, &m.release.Cells[i]) }

func (m *matching) written(j int) map[string]int {
	return m.counted(len(m.release.Cells)+j, &m.student.Cells[j])
}

// counted counts a cell's lines without their indent, at most the first few hundred.
func (m *matching) counted(at int, c *Cell) map[string]int {
	if m.lines == nil {
		m.lines = make([]map[string]int, len(m.release.Cells)+len(m.student.Cells))
	}
	if m.lines[at] == nil {
		counts := map[string]int{}
		for n, l := range strings.SplitN(c.Source, "\n", 400) {
			if l = strings.TrimSpace(l); l != "" && n < 399 {
				counts[l]++
			}
		}
		m.lines[at] = counts
	}
	return m.lines[at]
}

// stubLines are the lines of all placeholders.
var stubLines = func() map[string]bool {
	set := map[string]bool{TextStub: true}
	for _, stub := range CodeStubs {
		for l := range strings.SplitSeq(stub, "\n") {
			set[strings.TrimSpace(l)] = true
		}
	}
	return set
}()
