package notebook

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Repair is one thing that differed between a submission and what can be graded, in words for the grader.
type Repair struct {
	Cell    int    // index in the rebuilt notebook; -1 for the notebook as a whole
	GradeID string // empty for cells that are not nbgrader's
	Text    string
}

// Rebuild makes the notebook to be graded from the instructor's cell list (Manifest.Source), what students were given,
// and what one handed in (nil if nothing). The texts of answers, of unlocked cells and of cells the student added come
// from the student; everything else, that is tests, points, order, tags, metadata and kernel, from source. Outputs are
// cleared. It follows nbgrader's OverwriteCells in spirit, but there is nothing a student can do that makes it fail.
func Rebuild(source, release, submitted *Notebook) (*Notebook, []Repair) {
	if release == nil || len(release.Cells) != len(source.Cells) {
		release = source
	}
	r := &rebuilding{source: source, release: release, built: source.Clone()}
	clearOutputs(r.built)
	if submitted == nil {
		r.tell(-1, "The notebook was not handed in, so every answer counts as not given.")
		return r.built, r.repairs
	}
	r.matching = match(release, submitted)
	r.whole()
	r.place()
	return r.built, r.repairs
}

// RebuildMissing is Rebuild for a notebook that is not there.
func RebuildMissing(source *Notebook) (*Notebook, []Repair) { return Rebuild(source, nil, nil) }

// RebuildFile is Rebuild for the bytes of a file, however damaged they are.
func RebuildFile(source, release *Notebook, data []byte) (*Notebook, []Repair) {
	submitted, texts := Salvage(data)
	var repairs []Repair
	for _, text := range texts {
		repairs = append(repairs, Repair{Cell: -1, Text: "The file is damaged: " + text})
	}
	nb, more := Rebuild(source, release, submitted)
	return nb, append(repairs, more...)
}

type rebuilding struct {
	source, release, built *Notebook
	*matching
	repairs []Repair
}

// tell records a repair of the cell at an index of the rebuilt notebook.
func (r *rebuilding) tell(cell int, format string, args ...any) {
	p := Repair{Cell: cell, Text: fmt.Sprintf(format, args...)}
	if cell >= 0 {
		m, _ := r.built.Cells[cell].Meta()
		p.GradeID = m.GradeID
	}
	r.repairs = append(r.repairs, p)
}

// whole compares what belongs to no single cell.
func (r *rebuilding) whole() {
	was, now := r.release.Kernelspec()["name"], r.student.Kernelspec()["name"]
	if was != nil && was != now {
		r.tell(-1, "The notebook's kernel had been changed to %v; it is graded with %v.", orNone(now), was)
	}
	versions := map[int]bool{}
	for j := range r.student.Cells {
		if m, ok := r.student.Cells[j].Meta(); ok && m.SchemaVersion != SchemaVersion {
			versions[m.SchemaVersion] = true
		}
	}
	for _, v := range slices.Sorted(maps.Keys(versions)) {
		r.tell(-1, "Cells had nbgrader metadata of version %d; they are read as version %d.", v, SchemaVersion)
	}
	last := -1
	for _, j := range r.of {
		if j >= 0 && j < last {
			r.tell(-1, "The cells had been put into another order; the assignment's order is used.")
			break
		}
		last = max(last, j)
	}
}

// place writes the rebuilt cells: the instructor's in their order, and after each the student's own cells that
// followed it in the submission.
func (r *rebuilding) place() {
	own := map[int][]int{} // release index, -1 for the start → student's cells after it
	after := -1
	for j := range r.student.Cells {
		switch {
		case r.to[j] >= 0:
			after = r.to[j]
		case r.keeps(j):
			own[after] = append(own[after], j)
		}
	}
	cells := r.built.Cells
	r.built.Cells = make([]Cell, 0, len(cells)+len(own))
	r.add(own[-1])
	for i := range cells {
		r.built.Cells = append(r.built.Cells, cells[i])
		r.settle(i)
		r.add(own[i])
	}
	if r.built.Minor >= 5 {
		giveIDs(r.built)
	}
}

// keeps reports whether a student's cell that is no cell of the release goes into the rebuilt notebook. Blank cells
// and unchanged copies do not: a copied placeholder would undo the answer above it.
func (r *rebuilding) keeps(j int) bool {
	text := r.texts[j]
	if text == "" {
		return false
	}
	i := r.copyOf[j]
	return i < 0 || text != squeezed(r.release.Cells[i].Source) && text != r.texts[r.of[i]]
}

// settle puts the student's text into the last cell of the rebuilt notebook, which is release cell i, and tells what
// had been changed about it.
func (r *rebuilding) settle(i int) {
	at := len(r.built.Cells) - 1
	c, released := &r.built.Cells[at], &r.release.Cells[i]
	meta, _ := released.Meta()
	kind, j := meta.Kind(), r.of[i]
	if j < 0 {
		r.missing(at, kind)
		return
	}
	mine := &r.student.Cells[j]
	if r.how[i] != byGradeID && meta.GradeID != "" && kind != KindPlain {
		r.tell(at, "The %s cell had lost its ID; it was found %s.", kind, r.how[i])
	}
	if kind != KindPlain && mine.Type != released.Type {
		r.tell(at, "The %s cell had been turned into a %s cell; it is graded as %s.", kind, mine.Type, released.Type)
	}
	if copies := r.copies(i); copies > 0 {
		r.tell(at, "There were %d cells with this ID; %s.", copies+1, used(kind))
	}
	if kind == KindPlain || kind.Answer() {
		c.Source = r.clean(at, mine.Source)
		c.Attachments = cloneMap(mine.Attachments)
		if kind == KindPlain {
			c.Type = mine.Type
		}
	} else if squeezed(released.Source) != r.texts[j] {
		r.tell(at, "The text of this %s cell had been changed; the assignment's text is used.", kind)
	}
	if r.how[i] == byGradeID {
		r.flags(at, meta, mine)
	}
	if kind != KindPlain && !sameTags(released, mine) {
		r.tell(at, "The tags of this %s cell had been changed; the assignment's tags are used.", kind)
	}
}

func used(kind Kind) string {
	if kind.Answer() {
		return "the last one that was changed is graded, other changed ones are kept as ordinary cells"
	}
	return "the assignment's is used, changed copies are kept as ordinary cells"
}

func (r *rebuilding) missing(at int, kind Kind) {
	switch {
	case kind.Answer():
		r.tell(at, "The %s cell had been deleted, and nothing was found in its place; it counts as not given.", kind)
	case kind == KindPlain:
		r.tell(at, "A cell of the assignment had been deleted; it was put back.")
	default:
		r.tell(at, "The %s cell had been deleted; it was put back.", kind)
	}
}

func (r *rebuilding) copies(i int) int {
	n := 0
	for _, of := range r.copyOf {
		if of == i {
			n++
		}
	}
	return n
}

// flags tells of points and roles that were changed in the metadata.
func (r *rebuilding) flags(at int, want Meta, mine *Cell) {
	got, _ := mine.Meta()
	if got.Kind() != want.Kind() {
		role := string(got.Kind())
		if role == "" {
			role = "ordinary"
		}
		r.tell(at, "The %s cell had been marked as %s cell; it is graded as released.", want.Kind(), role)
	} else if want.Kind().Scored() && got.Points != want.Points {
		r.tell(at, "The points had been changed from %s to %s; they are as released.", pyRepr(want.Points), pyRepr(got.Points))
	}
}

// add appends cells of the student's own. Their metadata is left behind: tags and hints in it could change how the
// notebook is run.
func (r *rebuilding) add(list []int) {
	for _, j := range list {
		mine := &r.student.Cells[j]
		at := len(r.built.Cells)
		c := Cell{Type: mine.Type, Metadata: map[string]any{}, Attachments: cloneMap(mine.Attachments)}
		if r.built.Minor >= 5 && !slices.ContainsFunc(r.source.Cells, func(s Cell) bool { return s.ID == mine.ID }) {
			c.ID = mine.ID
		}
		r.built.Cells = append(r.built.Cells, c)
		r.built.Cells[at].Source = r.clean(at, mine.Source)
		if m, _ := mine.Meta(); m.GradeID != "" && r.copyOf[j] < 0 {
			r.tell(at, "This cell claims the ID %q, which the assignment does not have; it is kept as an ordinary cell.", clip(m.GradeID, 60))
		}
	}
}

// clean removes NUL, which neither Python nor our database takes.
func (r *rebuilding) clean(at int, text string) string {
	if !strings.ContainsRune(text, 0) {
		return text
	}
	r.tell(at, "NUL characters were removed from the text.")
	return strings.ReplaceAll(text, "\x00", "")
}

func sameTags(a, b *Cell) bool {
	one, _ := a.Metadata["tags"].([]any)
	two, _ := b.Metadata["tags"].([]any)
	return len(one) == 0 && len(two) == 0 || reflect.DeepEqual(one, two)
}

func orNone(v any) any {
	if s, ok := v.(string); ok {
		return clip(s, 60)
	}
	return "none"
}
