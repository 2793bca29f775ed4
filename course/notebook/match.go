package notebook

import (
	"slices"
	"strings"
)

// How a student's cell was found to be the one of the release.
type found int

const (
	notFound found = iota
	byGradeID
	byCellID
	byText
	byLikeness
	byPlace
)

func (f found) String() string {
	return [...]string{"not found", "by its ID", "by Jupyter's cell id", "by its text", "by a similar text", "by its place"}[f]
}

// matching pairs the cells of a release with those of a submission. -1 is none.
type matching struct {
	release *Notebook
	student *Notebook
	of      []int   // release index → student index
	how     []found // by release index
	to      []int   // student index → release index
	copyOf  []int   // student index → release index of the question that the cell claims, too, to be
	texts   []string
	lines   []map[string]int // of release and student cells, made when first needed
}

// match goes from sure to likely: nbgrader's ID, Jupyter's cell id, equal text, similar text, place. A cell that one
// step has paired is out of reach for the next.
func match(release, student *Notebook) *matching {
	m := &matching{release: release, student: student}
	m.of, m.how = fill(len(release.Cells)), make([]found, len(release.Cells))
	m.to, m.copyOf = fill(len(student.Cells)), fill(len(student.Cells))
	m.texts = make([]string, len(student.Cells))
	for j := range student.Cells {
		m.texts[j] = squeezed(student.Cells[j].Source)
	}
	m.byGradeID()
	m.byKey(byCellID, func(c *Cell) string { return c.ID })
	m.byKey(byText, m.ownText())
	m.byLikeness()
	m.byPlace()
	return m
}

func fill(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = -1
	}
	return list
}

// squeezed is a text without any white space: what two people would call the same answer.
func squeezed(s string) string { return strings.Join(strings.Fields(s), "") }

func (m *matching) pair(i, j int, how found) {
	m.of[i], m.how[i], m.to[j] = j, how, i
}

func (m *matching) free(j int) bool { return m.to[j] < 0 && m.copyOf[j] < 0 }

func (m *matching) byGradeID() {
	where := map[string]int{}
	for i := range m.release.Cells {
		if meta, _ := m.release.Cells[i].Meta(); meta.GradeID != "" && meta.Kind() != KindPlain {
			where[meta.GradeID] = i
		}
	}
	claims := map[int][]int{}
	for j := range m.student.Cells {
		if meta, _ := m.student.Cells[j].Meta(); meta.GradeID != "" {
			if i, ok := where[meta.GradeID]; ok {
				claims[i] = append(claims[i], j)
				m.copyOf[j] = i
			}
		}
	}
	for i, list := range claims {
		j := m.best(i, list)
		m.copyOf[j] = -1
		m.pair(i, j, byGradeID)
	}
}

// best chooses among cells that claim the same question. Of answers the last one that was worked on counts, as it does
// when the notebook runs from top to bottom; of locked cells one that is still as it was.
func (m *matching) best(i int, list []int) int {
	released := &m.release.Cells[i]
	text := squeezed(released.Source)
	chosen := list[0]
	for _, j := range list {
		if released.ID != "" && m.student.Cells[j].ID == released.ID {
			chosen = j
			break
		}
	}
	if released.Kind().Answer() {
		for _, j := range slices.Backward(list) {
			if m.texts[j] != text && m.texts[j] != "" {
				return j
			}
		}
		return chosen
	}
	if m.texts[chosen] == text {
		return chosen
	}
	for _, j := range list {
		if m.texts[j] == text {
			return j
		}
	}
	return chosen
}

// byKey pairs cells whose key is equal and not empty: of several rather one with the released text, rather the first.
func (m *matching) byKey(how found, key func(*Cell) string) {
	where := map[string][]int{}
	for j := range m.student.Cells {
		if k := key(&m.student.Cells[j]); k != "" && m.free(j) {
			where[k] = append(where[k], j)
		}
	}
	for i := range m.release.Cells {
		k := key(&m.release.Cells[i])
		list := where[k]
		if m.of[i] >= 0 || len(list) == 0 {
			continue
		}
		text := squeezed(m.release.Cells[i].Source)
		n := max(0, slices.IndexFunc(list, func(j int) bool { return m.texts[j] == text }))
		m.pair(i, list[n], how)
		where[k] = slices.Delete(list, n, n+1)
	}
}

// ownText is the key of byText: a text that only one cell of the release has. Several untouched placeholders look all
// the same, so for them place decides.
func (m *matching) ownText() func(*Cell) string {
	times := map[string]int{}
	for i := range m.release.Cells {
		times[squeezed(m.release.Cells[i].Source)]++
	}
	return func(c *Cell) string {
		if text := squeezed(c.Source); times[text] == 1 {
			return text
		}
		return ""
	}
}

// maxLikely bounds the comparisons that a notebook of thousands of cells can cause.
const maxLikely = 200

// between is the stretch of the submission where release cell i should stand: from after its last paired neighbour to
// before its next; all of it if these changed places.
func (m *matching) between(i int) (low, high int) {
	high = len(m.student.Cells)
	for k := i - 1; k >= 0; k-- {
		if m.of[k] >= 0 {
			low = m.of[k] + 1
			break
		}
	}
	for k := i + 1; k < len(m.of); k++ {
		if m.of[k] >= 0 {
			high = m.of[k]
			break
		}
	}
	if low > high {
		return 0, len(m.student.Cells)
	}
	return low, high
}

// candidates are the student's cells from low to high that hold something and that nothing claims.
func (m *matching) candidates(low, high int) []int {
	var list []int
	for j := low; j < high && len(list) < maxLikely; j++ {
		if m.free(j) && m.texts[j] != "" {
			list = append(list, j)
		}
	}
	return list
}

func (m *matching) byLikeness() {
	for i := range m.release.Cells {
		if m.of[i] >= 0 {
			continue
		}
		// A locked cell's text is thrown away, so it takes more to take a student's cell for one.
		least, kind := 0.5, m.release.Cells[i].Kind()
		if !kind.Answer() && kind != KindPlain {
			least = 0.7
		}
		like := func(j int) float64 { return m.likeness(i, j) }
		j, likeness := m.likest(m.candidates(m.between(i)), like)
		if likeness < least && kind.Answer() {
			// It may have been moved; of all cells an answer is the one not to lose.
			j, likeness = m.likest(m.candidates(0, len(m.student.Cells)), like)
		}
		if likeness >= least {
			m.pair(i, j, byLikeness)
		}
	}
}

// byPlace takes for a lost answer what stands where it stood, if it has the right type: rather a cell that still is
// marked as such an answer, rather one with more of the released text, rather the first.
func (m *matching) byPlace() {
	for i := range m.release.Cells {
		c := &m.release.Cells[i]
		if m.of[i] >= 0 || !c.Kind().Answer() {
			continue
		}
		j, _ := m.likest(m.candidates(m.between(i)), func(j int) float64 {
			mine := &m.student.Cells[j]
			switch {
			case mine.Type != c.Type:
				return -1
			case mine.Kind() == c.Kind():
				return 1 + m.overlap(i, j, nil)
			}
			return m.overlap(i, j, nil)
		})
		if j >= 0 {
			m.pair(i, j, byPlace)
		}
	}
}

// likest is the first of the candidates with the highest mark, -1 if there is none with one of at least 0.
func (m *matching) likest(candidates []int, mark func(int) float64) (int, float64) {
	best, highest := -1, -1.0
	for _, j := range candidates {
		if l := mark(j); l > highest {
			best, highest = j, l
		}
	}
	return best, highest
}
