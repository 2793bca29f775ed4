package course

// MarkedCell is a cell of the instructor's notebook that has a grade_id.
type MarkedCell struct {
	GradeID string
	Kind    string // answer, tests, manual, task, readonly
}

// CellsOf picks, of a notebook's marked cells in order, those that one question
// is read by: the cell itself, and for tests the answers that they test, which
// are the nearest ones above.
func CellsOf(cells []MarkedCell, question string) (answers []string, kind string) {
	at := -1
	for i, c := range cells {
		if c.GradeID == question {
			at = i
		}
	}
	if at < 0 {
		return nil, ""
	}
	if kind = cells[at].Kind; kind != "tests" {
		return []string{question}, kind
	}
	for i := at - 1; i >= 0; i-- {
		switch cells[i].Kind {
		case "answer":
			answers = append([]string{cells[i].GradeID}, answers...)
		case "tests":
			if len(answers) > 0 {
				return answers, kind
			}
		case "readonly":
		default:
			return answers, kind
		}
	}
	return answers, kind
}
