package handlers

import (
	"archive/zip"
	"bytes"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"lectern/course"
	"lectern/exchange"
	"lectern/grading"
)

// movingSite is a site that has files.
func movingSite(t *testing.T) *testSite {
	t.Helper()
	return newSite(t, func(s *Site) {
		x, err := exchange.New(course.Layout{Root: t.TempDir()}, exchange.Options{UID: 1000, GID: 100})
		if err != nil {
			t.Fatal(err)
		}
		s.Exchange, s.Preparer = x, &grading.Preparer{Exchange: x, Store: s.Store}
	})
}

// send uploads one file the way the form does.
func (b *browser) send(path, name string, data []byte) answer {
	b.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("files", name)
	if err == nil {
		_, err = part.Write(data)
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		b.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.base+path, &body)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("Origin", b.base)
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

func zipOf(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for name, text := range files {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

const plainNotebook = `{"nbformat":4,"nbformat_minor":4,"metadata":{"kernelspec":{"name":"python3","display_name":"Python 3"}},"cells":[
{"cell_type":"markdown","metadata":{"nbgrader":{"grade":true,"solution":true,"locked":false,"task":false,"grade_id":"why","points":2,"schema_version":3}},"source":"because"}]}`

func TestACourseMovesInAndOutByPage(t *testing.T) {
	t.Parallel()
	s := movingSite(t)
	teacher := s.as("instructor")
	settings := teacher.get("/courses/physics/settings").want(t, http.StatusOK, "settings")
	if !strings.Contains(settings.body, `href="/courses/physics/move"`) {
		t.Error("the settings do not lead to the move")
	}
	teacher.get("/courses/physics/move").want(t, http.StatusOK, "the page")

	moved := zipOf(t, map[string]string{"old/source/PS <1>/p.ipynb": plainNotebook, "old/submitted/newton/PS <1>/p.ipynb": plainNotebook,
		"old/submitted/newton/PS <1>/timestamp.txt": "2026-01-02 03:04:05.000006 UTC", "old/submitted/../../evil": "x"})
	a := teacher.send("/courses/physics/move", "old.zip", moved).want(t, http.StatusSeeOther, "the upload")
	found := teacher.get(a.location()).want(t, http.StatusOK, "what was found")
	for _, want := range []string{"PS &lt;1&gt;", "ps-1", "leads out of the folder"} {
		if !strings.Contains(found.body, want) {
			t.Errorf("the page does not say %q:\n%s", want, found.body)
		}
	}
	if _, err := s.Store.Assignment(t.Context(), s.physics.ID, "ps-1"); !course.IsKind(err, course.NotFound) {
		t.Errorf("looking made the assignment: %v", err)
	}
	upload := regexp.MustCompile(`name="upload" value="([0-9a-f]+)"`).FindStringSubmatch(found.body)
	if upload == nil {
		t.Fatalf("no form to take it in:\n%s", found.body)
	}
	form := url.Values{"upload": {upload[1]}}
	s.as("instructor2").post("/courses/history/move/apply", form).want(t, http.StatusNotFound, "another course's upload")
	teacher.post("/courses/physics/move/apply", form).want(t, http.StatusSeeOther, "taking it in")
	made, err := s.Store.Assignment(t.Context(), s.physics.ID, "ps-1")
	if err != nil || made.ReleasedAt == nil || made.Points != 2 {
		t.Fatalf("the assignment: %+v, %v", made, err)
	}
	m, err := s.Store.Member(t.Context(), s.physics.ID, "newton")
	if err != nil {
		t.Fatal(err)
	}
	sub, err := s.Store.CountedSubmission(t.Context(), made.ID, m.ID)
	if err != nil || sub.TakenAt.UTC().Format("2006-01-02 15:04:05.000000") != "2026-01-02 03:04:05.000006" {
		t.Errorf("the submission: %+v, %v", sub, err)
	}
	teacher.post("/courses/physics/move/apply", form).want(t, http.StatusNotFound, "the same form again")

	out := teacher.get("/courses/physics/move/course.zip").want(t, http.StatusOK, "the download")
	z, err := zip.NewReader(strings.NewReader(out.body), int64(len(out.body)))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, f := range z.File {
		names[f.Name] = true
	}
	if !names["gradebook.db"] || !names["source/ps-1/p.ipynb"] || !names["submitted/newton/ps-1/p.ipynb"] {
		t.Errorf("the download holds %v", names)
	}
	again := teacher.send("/courses/physics/move", "physics.zip", []byte(out.body)).want(t, http.StatusSeeOther, "our own zip")
	if page := teacher.get(again.location()).want(t, http.StatusOK, "our own zip"); !strings.Contains(page.body, "in the course already") || strings.Contains(page.body, "Take it in") {
		t.Errorf("our own zip is not known again:\n%s", page.body)
	}
}

func TestAZipThatIsNoCourseIsRefusedOnTheForm(t *testing.T) {
	t.Parallel()
	s := movingSite(t)
	teacher := s.as("instructor")
	for name, data := range map[string][]byte{"x.zip": []byte("no zip"), "x.txt": []byte("text")} {
		teacher.send("/courses/physics/move", name, data).want(t, http.StatusUnprocessableEntity, name)
	}
	a := teacher.send("/courses/physics/move", "x.zip", zipOf(t, map[string]string{"readme.txt": "x"})).want(t, http.StatusSeeOther, "a zip of something else")
	if page := teacher.get(a.location()).want(t, http.StatusUnprocessableEntity, "a zip of something else"); !strings.Contains(page.body, "no nbgrader course") {
		t.Errorf("it does not say why:\n%s", page.body)
	}
	teacher.get("/courses/physics/move/found?upload=../../x").want(t, http.StatusNotFound, "an id that leads out")
}
