package grading

import (
	"lectern/course"
	"lectern/course/notebook"
)

// AnswerHash is the same for notebooks whose answers to a question say the same:
// answers names the cells that it is read by, see course.CellsOf. "" if none of
// them is there.
func AnswerHash(nb *notebook.Notebook, answers []string) string {
	var texts []string
	for _, id := range answers {
		for i := range nb.Cells {
			if meta, ok := nb.Cells[i].Meta(); ok && meta.GradeID == id {
				texts = append(texts, nb.Cells[i].Source)
				if nb.Cells[i].Kind() == notebook.KindTask { // the answer is what follows
					for j := i + 1; j < len(nb.Cells) && nb.Cells[j].Kind() == notebook.KindPlain; j++ {
						texts = append(texts, nb.Cells[j].Source)
					}
				}
			}
		}
	}
	if len(texts) == 0 {
		return ""
	}
	return course.AnswerHash(texts...)
}
