package handlers

import (
	"archive/zip"
	"bytes"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const feedbackURL = ps1Path + "/feedback"

// sendFeedback uploads a zip of these files, by name and content.
func (b *browser) sendFeedback(name string, pairs ...string) answer {
	b.t.Helper()
	var packed, body bytes.Buffer
	z := zip.NewWriter(&packed)
	for i := 0; i+1 < len(pairs); i += 2 {
		f, err := z.Create(pairs[i])
		if err == nil {
			_, err = f.Write([]byte(pairs[i+1]))
		}
		if err != nil {
			b.t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		b.t.Fatal(err)
	}
	w := multipart.NewWriter(&body)
	f, err := w.CreateFormFile("files", name)
	if err == nil {
		_, err = f.Write(packed.Bytes())
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		b.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.base+feedbackURL, &body)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", w.FormDataContentType())
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(resp.Body); err != nil {
		b.t.Fatal(err)
	}
	return answer{resp.StatusCode, text.String(), resp.Header}
}

// handIn lets a student open and submit ps1.
func (d *desk) handIn(login string) *browser {
	d.t.Helper()
	b := d.as(login)
	b.post(ps1Path+"/open", nil).want(d.t, http.StatusSeeOther, login+" opens")
	b.post(ps1Path+"/submit", submitForm()).want(d.t, http.StatusSeeOther, login+" submits")
	return b
}

// shown is what lies in a student's feedback folder: the names of its files.
func (d *desk) shown(login string) string {
	d.t.Helper()
	dir, err := d.layout.Feedback("physics", login, "ps1")
	d.must(err)
	entries, err := d.Exchange.List(dir)
	d.must(err)
	var names []string
	for _, e := range entries {
		if !e.Dir {
			names = append(names, e.Path)
		}
	}
	return strings.Join(names, " ")
}

func (b *browser) wantText(when, path string, yes []string, no []string) {
	b.t.Helper()
	body := b.get(path).want(b.t, http.StatusOK, when).body
	for _, w := range yes {
		if !strings.Contains(body, w) {
			b.t.Errorf("%s: the page lacks %q", when, w)
		}
	}
	for _, w := range no {
		if strings.Contains(body, w) {
			b.t.Errorf("%s: the page has %q", when, w)
		}
	}
}

func TestFeedbackFromUploadToWithdrawal(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	teacher, student := d.as("instructor"), d.handIn("student")
	d.handIn("student2")
	give := func(points, comment string) {
		t.Helper()
		f := teacher.get(marksURL+"/student").form(t, marksURL+"/student")
		f.Set("points", points)
		f.Set("comment", comment)
		teacher.post(marksURL+"/student", f).want(t, http.StatusSeeOther, "giving "+points)
	}
	give("8", "nearly right")
	a := teacher.sendFeedback("all.zip", "x/feedback/student/ps1/b.html", "<p>good</p>", "x/feedback/student/ps1/timestamp.txt", "1999",
		"x/autograded/student2/ps1/b.ipynb", "{}", "x/feedback/newcomer/ps1/b.html", "", "x/feedback/<b>/ps1/b.html", "",
		"x/feedback/student/ps9/b.html", "", "x/readme.txt", "").want(t, http.StatusOK, "the upload")
	for _, want := range []string{"Feedback for 2 students is ready", "student/ps1", "student2/ps1", "has not handed anything in", "Nobody on the roster",
		"for another assignment", "x/readme.txt", "&lt;b&gt;/ps1"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	hidden := []string{"8 of 10", "nearly right", "b.html"}
	student.wantText("before it is returned", ps1Path, nil, hidden)
	student.get(ps1Path+"/my-feedback").want(t, http.StatusNotFound, "downloading before it is returned")
	if n := d.count(`select count(*) from feedbacks where staged_files @> '[{"path": "b.html", "bytes": 11}]' and length(staged_files->0->>'sha256') = 64`); n != 1 {
		t.Errorf("%d records of the staged file with size and hash, want 1", n)
	}

	for range 2 { // doing it again does no harm
		teacher.post(feedbackURL+"/return", url.Values{"login": {"student", "student3"}}).want(t, http.StatusSeeOther, "returning one")
	}
	if got := d.shown("student"); got != "b.html" {
		t.Errorf("in the student's folder: %q", got)
	}
	if got := d.shown("student2"); got != "" {
		t.Errorf("in the other student's folder: %q", got)
	}
	if n := d.count(`select count(*) from activity where verb = 'returned feedback'`); n != 1 {
		t.Errorf("%d lines of activity, want 1", n)
	}
	student.wantText("returned", ps1Path, hidden, nil)
	student.wantText("returned", "/courses/physics", []string{"8 of 10"}, nil)
	if body := student.get(ps1Path+"/my-feedback").want(t, http.StatusOK, "the download").body; !strings.Contains(body, "b.html") {
		t.Error("the zip of feedback lacks the file")
	}
	teacher.wantText("seen", feedbackURL, []string{"seen now"}, nil)

	give("9", "better now")
	student.wantText("a mark changed later", ps1Path, hidden, []string{"9 of 10", "better now"})
	student.wantText("a mark changed later", "/courses/physics", []string{"8 of 10"}, []string{"9 of 10"})
	teacher.wantText("a mark changed later", feedbackURL, []string{"Newer to return", "a changed mark"}, nil)
	teacher.post(feedbackURL+"/return", url.Values{"all": {"ready"}}).want(t, http.StatusSeeOther, "returning all")
	teacher.wantText("all", feedbackURL, []string{"Feedback returned for 2 students."}, []string{"Newer to return"})
	student.wantText("returned again", ps1Path, []string{"9 of 10", "better now", "b.html"}, nil)
	if got := d.shown("student2"); got != "b.ipynb" {
		t.Errorf("in the other student's folder: %q", got)
	}

	teacher.wantText("the question", feedbackURL+"/withdraw?login=student", []string{"Withdraw the feedback of The student?", "The marks stay as they are"}, nil)
	for range 2 {
		teacher.post(feedbackURL+"/withdraw", url.Values{"login": {"student"}}).want(t, http.StatusSeeOther, "withdrawing")
	}
	student.wantText("withdrawn", ps1Path, nil, []string{"9 of 10", "better now", "b.html"})
	student.wantText("withdrawn", "/courses/physics", []string{"Graded"}, []string{"9 of 10"})
	student.get(ps1Path+"/my-feedback").want(t, http.StatusNotFound, "downloading what was withdrawn")
	if got := d.shown("student"); got != "" {
		t.Errorf("in the student's folder after all: %q", got)
	}
	d.wantMarks("withdrawn", map[string]string{"student": "9 better now hand instructor"})
	teacher.get(feedbackURL+"/withdraw?login=student").want(t, http.StatusNotFound, "nothing to withdraw")
	teacher.post(feedbackURL+"/return", url.Values{"all": {"ready"}}).want(t, http.StatusSeeOther, "returning it again")
	student.wantText("back", ps1Path, []string{"9 of 10", "b.html"}, nil)
}

func TestAMarkAloneIsReturnedAndOneFailureHoldsUpNobody(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	teacher := d.as("grader")
	form := teacher.get(marksURL).marksForm()
	for _, login := range []string{"newcomer", "student", "student2"} {
		form.Set("points."+login, "5")
	}
	teacher.post(marksURL, form).want(t, http.StatusSeeOther, "marks")
	// Something lies where student's feedback must go.
	dir, err := d.layout.FeedbackDir("physics", "student")
	d.must(err)
	staged, err := d.layout.StagedFeedback("physics", "student", "ps1")
	d.must(err)
	d.must(os.MkdirAll(staged, 0o700))
	d.must(os.WriteFile(filepath.Join(staged, "a.html"), []byte("x"), 0o600))
	d.must(os.MkdirAll(filepath.Dir(dir), 0o755))
	d.must(os.WriteFile(dir, []byte("in the way"), 0o600))
	teacher.post(feedbackURL+"/return", url.Values{"all": {"ready"}}).want(t, http.StatusSeeOther, "returning")
	teacher.wantText("the summary", feedbackURL, []string{"Feedback returned for 2 students.", "Not done: student (something went wrong"}, nil)
	d.as("student2").wantText("student2", "/courses/physics", []string{"5 of 10"}, nil)
	d.as("student").wantText("student", "/courses/physics", nil, []string{"5 of 10"})
	d.must(os.Remove(dir))
	teacher.post(feedbackURL+"/return", url.Values{"all": {"ready"}}).want(t, http.StatusSeeOther, "again")
	d.as("student").wantText("student in the end", "/courses/physics", []string{"5 of 10"}, nil)
	if n := d.count(`select count(*) from feedbacks where returned_at is not null`); n != 3 {
		t.Errorf("%d returned, want 3", n)
	}
	teacher.post(feedbackURL+"/return", nil).want(t, http.StatusSeeOther, "nobody chosen")
	teacher.wantText("nobody chosen", feedbackURL, []string{"Nobody was chosen."}, nil)
}

func TestBadUploadsOfFeedbackAreRefusedInWords(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	teacher := d.as("instructor")
	d.handIn("student")
	for name, c := range map[string]struct {
		a    answer
		text string
	}{
		"no zip":    {teacher.sendFeedback("notes.txt", "a", "b"), "Upload one zip"},
		"leads out": {teacher.sendFeedback("a.zip", "feedback/student/ps1/a", "", "feedback/student/ps1/../../../x", ""), "a.zip"},
		"no form":   {teacher.post(feedbackURL, url.Values{"x": {"y"}}), "not a form with files"},
	} {
		if c.a.status != http.StatusUnprocessableEntity || !strings.Contains(c.a.body, c.text) {
			t.Errorf("%s: %d, want 422 with %q\n%s", name, c.a.status, c.text, c.a.body)
		}
	}
	if a := teacher.sendFeedback("a.zip", "nothing/here", "x").want(t, http.StatusOK, "a zip of strays"); !strings.Contains(a.body, "Nothing in this zip could be used") {
		t.Error("no word of an upload without feedback")
	}
	if n := d.count(`select count(*) from feedbacks where staged_at is not null`); n != 0 {
		t.Errorf("%d students have staged feedback, want none", n)
	}
}

func TestFeedbackReturnedTwentyTimesAtOnceIsReturned(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	teacher := d.as("instructor")
	d.handIn("student")
	teacher.sendFeedback("a.zip", "feedback/student/ps1/old.html", "1").want(t, http.StatusOK, "the first upload")
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if i%4 == 0 {
				teacher.sendFeedback("a.zip", "feedback/student/ps1/new.html", "2").want(t, http.StatusOK, "an upload meanwhile")
				return
			}
			teacher.post(feedbackURL+"/return", url.Values{"all": {"ready"}}).want(t, http.StatusSeeOther, "returning")
		})
	}
	wg.Wait()
	teacher.post(feedbackURL+"/return", url.Values{"all": {"ready"}}).want(t, http.StatusSeeOther, "the last return")
	if got := d.shown("student"); got != "new.html" {
		t.Errorf("in the student's folder: %q, want the newer file", got)
	}
	if n := d.count(`select count(*) from feedbacks where staged_at is null and returned_at is not null and returned_files->0->>'path' = 'new.html' and jsonb_array_length(returned_files) = 1`); n != 1 {
		t.Error("the record does not say what lies on disk")
	}
}
