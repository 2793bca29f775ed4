package course

import (
	"encoding/csv"
	"regexp"
	"strings"
)

// CanvasFill is a gradebook that was exported from Canvas, with our columns
// filled in, to be imported there.
type CanvasFill struct {
	CSV       string
	Filled    []string // titles of the assignments that were filled
	Unmatched []string // titles of ours that the export has no column for: nothing is created
	Students  int      // whose rows were filled
	Unknown   []string // people in the export who are not students here; their rows are left out
}

// canvasTitle is the head of an assignment's column: a title and Canvas's number.
var canvasTitle = regexp.MustCompile(`^(.*) \((\d+)\)$`)

// FillCanvas fills a Canvas export. The columns that say who somebody is stay as
// they are; of the others only those of our assignments are kept, matched by
// title. People are matched by SIS Login ID, else by SIS User ID.
func (s Sheet) FillCanvas(text string) (CanvasFill, error) {
	var out CanvasFill
	semicolon := strings.Count(firstLine(text), ";") > strings.Count(firstLine(text), ",")
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\ufeff")))
	r.FieldsPerRecord, r.LazyQuotes = -1, true
	if semicolon {
		r.Comma = ';'
	}
	rows, err := r.ReadAll()
	notCanvas := Fieldf("file", "This is not a gradebook exported from Canvas: its first line should begin with Student, ID and have a column Section.")
	if err != nil || len(rows) == 0 {
		return out, notCanvas
	}
	section, login, sis := -1, -1, -1
	for i, h := range rows[0] {
		switch strings.TrimSpace(h) {
		case "Section":
			section = i
		case "SIS Login ID":
			login = i
		case "SIS User ID":
			sis = i
		}
	}
	if section < 1 || login < 0 && sis < 0 {
		return out, notCanvas
	}
	columns, ours := s.canvasColumns(rows[0], section, &out)
	if len(ours) == 0 {
		return out, Fieldf("file", "The export has no column for any assignment of this course. Make assignments of the same titles in Canvas, without submission, and export again.")
	}
	students := map[string]*SheetStudent{}
	for i := range s.Students {
		students[strings.ToLower(s.Students[i].Login)] = &s.Students[i]
	}
	var b strings.Builder
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	for i, row := range rows {
		line := make([]string, 0, section+1+len(ours))
		for j := range section + 1 {
			line = append(line, field(row, j))
		}
		switch {
		case i == 0 || strings.Contains(field(row, 0), "Points Possible"):
			for _, j := range columns {
				line = append(line, field(row, j))
			}
		case strings.TrimSpace(strings.Join(row[:min(len(row), section+1)], "")) == "" || field(row, 0) == "Manual Posting":
			continue
		default:
			st := students[strings.ToLower(strings.TrimSpace(field(row, login)))]
			if st == nil {
				st = students[strings.ToLower(strings.TrimSpace(field(row, sis)))]
			}
			if st == nil {
				out.Unknown = append(out.Unknown, field(row, 0))
				continue
			}
			for _, a := range ours {
				line = append(line, st.Cells[a].plain("EX"))
			}
			out.Students++
		}
		if err := w.Write(line); err != nil {
			return out, err
		}
	}
	w.Flush()
	out.CSV = b.String()
	return out, w.Error()
}

// canvasColumns finds the columns of our assignments, and notes which have none.
func (s Sheet) canvasColumns(head []string, section int, out *CanvasFill) (columns, ours []int) {
	taken := map[int]bool{}
	for a, own := range s.Assignments {
		found := -1
		for j := section + 1; j < len(head); j++ {
			m := canvasTitle.FindStringSubmatch(strings.TrimSpace(head[j]))
			if m != nil && !taken[j] && strings.EqualFold(strings.TrimSpace(m[1]), strings.TrimSpace(own.Title)) {
				found = j
				break
			}
		}
		if found < 0 {
			out.Unmatched = append(out.Unmatched, own.Title)
			continue
		}
		taken[found] = true
		columns, ours = append(columns, found), append(ours, a)
		out.Filled = append(out.Filled, own.Title)
	}
	return columns, ours
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func field(row []string, i int) string {
	if i < 0 || i >= len(row) {
		return ""
	}
	return row[i]
}
