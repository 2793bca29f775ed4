package handlers

import (
	"bytes"
	"context"
	"io"

	"lectern/course"
	"lectern/course/notebook"
	"lectern/grading"
	"lectern/store"
)

// maxBetween is how many cells without an ID may stand between an answer and its
// tests and still be shown with them.
const maxBetween = 30

// cellsShown picks the cells that belong to some grade_ids: those cells, what the
// student wrote between them, the question that stands above, and what follows a
// task. nil is all of them; note says why, if that was not asked for.
func cellsShown(nb *notebook.Notebook, ids []string) (only func(int) bool, note string) {
	if len(ids) == 0 {
		return nil, ""
	}
	wanted := map[string]bool{}
	for _, id := range ids {
		wanted[id] = true
	}
	shown, last := map[int]bool{}, -1
	plain := func(i int) bool {
		return i >= 0 && i < len(nb.Cells) && nb.Cells[i].Kind() == notebook.KindPlain
	}
	for i := range nb.Cells {
		meta, ok := nb.Cells[i].Meta()
		if !ok || !wanted[meta.GradeID] {
			continue
		}
		if last < 0 {
			for j := i - 1; plain(j) && nb.Cells[j].Type == "markdown" && i-j <= 3; j-- {
				shown[j] = true
			}
		} else if i-last <= maxBetween {
			for j := last + 1; j < i; j++ {
				if plain(j) {
					shown[j] = true
				}
			}
		}
		if nb.Cells[i].Kind() == notebook.KindTask {
			for j := i + 1; plain(j); j++ {
				shown[j] = true
			}
		}
		shown[i], last = true, i
	}
	if last < 0 {
		return nil, "The cells of this question were not found in what was handed in, so everything is shown."
	}
	return func(i int) bool { return shown[i] }, ""
}

// sourceCells is the order of the marked cells of a question's notebook.
func (s *Site) sourceCells(ctx context.Context, id course.AssignmentID, notebook string) ([]course.MarkedCell, error) {
	rows, err := s.Store.SourceCells(ctx, id, notebook)
	out := make([]course.MarkedCell, len(rows))
	for i, r := range rows {
		out[i] = course.MarkedCell{GradeID: r.GradeID, Kind: r.Kind}
	}
	return out, err
}

// paperRef names the notebook of a question as it is graded: after its tests have
// run, if they have, else as it was handed in.
func (s *Site) paperRef(v *visit, p store.Paper, k course.QuestionKey) contentRef {
	ref := contentRef{Course: v.course.Slug, Login: p.Login, Assignment: v.assignment.Slug, Tree: treeHistory, Snapshot: p.Snapshot, Path: k.Notebook + ".ipynb"}
	if p.RunID == nil {
		return ref
	}
	graded := ref
	graded.Tree, graded.Snapshot = treeAutograded, ""
	if f, err := s.content.open(graded); err == nil {
		f.Close()
		return graded
	}
	return ref
}

// answerHash reads an answer out of a snapshot and hashes it; "" if the notebook
// or the answer is not there.
func (s *Site) answerHash(v *visit, u store.Unhashed, k course.QuestionKey, ids []string) string {
	f, err := s.content.open(contentRef{Course: v.course.Slug, Login: u.Login, Assignment: v.assignment.Slug, Tree: treeHistory, Snapshot: u.Snapshot, Path: k.Notebook + ".ipynb"})
	if err != nil {
		return ""
	}
	defer f.Close()
	var b bytes.Buffer
	if _, err := io.Copy(&b, io.LimitReader(f, maxShown)); err != nil {
		return ""
	}
	nb, _ := notebook.Salvage(b.Bytes())
	if nb == nil {
		return ""
	}
	return grading.AnswerHash(nb, ids)
}
