package handlers

import (
	"net/url"
	"strings"
	"testing"
)

func TestInstructorsChooseFromTheListUnlessTheSiteLetsThemNameAny(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	admin, teacher := s.as("admin"), s.as("instructor")
	save := func(b *browser, image, other string) answer {
		return b.post("/courses/physics/settings", url.Values{"title": {"Physics"}, "zone": {"UTC"}, "image": {image}, "image_other": {other}})
	}
	has := func(a answer, what string, parts ...string) {
		t.Helper()
		for _, part := range parts {
			if !strings.Contains(a.body, part) {
				t.Fatalf("%s lacks %q\n%s", what, part, a.body)
			}
		}
	}
	page := teacher.get("/courses/physics/settings").want(t, 200, "the form")
	has(page, "the form", `<option value="lectern/notebook:latest" selected>`)
	if strings.Contains(page.body, "image_other") {
		t.Error("an instructor may type an image before the site allows it")
	}
	has(save(teacher, "mine/evil:1", "").want(t, 422, "an image that is not on the list"), "the answer", "site&#39;s list")
	has(save(teacher, "lectern/notebook:latest", "mine/evil:1").want(t, 422, "one that was typed"), "the answer", "site&#39;s list")

	admin.post("/admin/images", url.Values{"reference": {"-x"}, "title": {""}}).want(t, 422, "nonsense")
	admin.post("/admin/images", url.Values{"reference": {"campus/torch:2026"}, "title": {"PyTorch"}, "note": {"For neural networks."}}).want(t, 303, "adding")
	has(admin.get("/admin/images"), "the list", "PyTorch", "campus/torch:2026", "For neural networks.", "Never tested", "Default")
	has(teacher.get("/courses/physics/settings"), "the form", `<option value="campus/torch:2026">`, "For neural networks.")
	save(teacher, "campus/torch:2026", "").want(t, 303, "one of the list")

	// Off the list, it stays with who has it and nobody else gets it.
	has(admin.get("/admin/images/remove?reference=campus/torch:2026").want(t, 200, "asking"), "the question", "1 course", "Its place on the list")
	admin.post("/admin/images/remove", url.Values{"reference": {"campus/torch:2026"}}).want(t, 303, "removing")
	admin.post("/admin/images/remove", url.Values{"reference": {"lectern/notebook:latest"}}).want(t, 409, "removing the operator's")
	has(teacher.get("/courses/physics/settings"), "the form", `<option value="campus/torch:2026" selected>`, "not on the site’s list")
	save(teacher, "campus/torch:2026", "").want(t, 303, "what is there already")
	s.as("instructor2").post("/courses/history/settings", url.Values{"title": {"H"}, "zone": {"UTC"}, "image": {"campus/torch:2026"}}).want(t, 422, "by another course")

	admin.post("/admin/images/any", url.Values{"any": {"yes"}}).want(t, 303, "the switch")
	has(teacher.get("/courses/physics/settings"), "the form", `name="image_other"`)
	save(teacher, "campus/torch:2026", "127.0.0.1:5000/mine:1").want(t, 303, "any image")
	save(teacher, "campus/torch:2026", "spaces are bad").want(t, 422, "no image at all")
	if got := s.imageOfCourse(t, "physics"); got != "127.0.0.1:5000/mine:1" {
		t.Errorf("the course's image = %q", got)
	}
}

func (s *testSite) imageOfCourse(t *testing.T, slug string) string {
	t.Helper()
	c, err := s.Store.Course(t.Context(), slug)
	if err != nil {
		t.Fatal(err)
	}
	return c.Image
}

func TestTheDefaultImageIsThatOfNewCourses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	admin := s.as("admin")
	admin.post("/admin/images", url.Values{"reference": {"campus/r:1"}, "title": {"R"}}).want(t, 303, "adding")
	admin.post("/admin/images/default", url.Values{"reference": {"campus/r:1"}}).want(t, 303, "making it the default")
	if a := admin.get("/courses/new"); !strings.Contains(a.body, `<option value="campus/r:1" selected>`) {
		t.Errorf("a new course does not begin with the default\n%s", a.body)
	}
	admin.post("/admin/images/default", url.Values{"reference": {"lectern/notebook:latest"}}).want(t, 303, "and back")
	if a := admin.get("/courses/new"); !strings.Contains(a.body, `<option value="lectern/notebook:latest" selected>`) {
		t.Errorf("a new course does not begin with the operator's image\n%s", a.body)
	}
	if got := s.imageOfCourse(t, "physics"); got != "lectern/notebook:latest" {
		t.Errorf("an old course's image = %q", got)
	}
}

func TestAnAssignmentMayHaveAnImageOfItsOwn(t *testing.T) {
	t.Parallel()
	s := matrixSite(t)
	teacher := s.as("instructor")
	s.as("admin").post("/admin/images", url.Values{"reference": {"campus/r:1"}, "title": {"R"}}).want(t, 303, "adding")
	save := func(image string) answer {
		return teacher.post("/courses/physics/assignments/lab/settings", url.Values{"title": {"Lab"}, "image": {image}, "autograde": {"never"}})
	}
	if a := teacher.get("/courses/physics/assignments/lab/settings"); !strings.Contains(a.body, "The course&#39;s: Standard") && !strings.Contains(a.body, "The course's: Standard") {
		t.Errorf("the form does not offer the course's image\n%s", a.body)
	}
	save("campus/r:1").want(t, 303, "one of the list")
	save("campus/q:1").want(t, 422, "another")
	save("").want(t, 303, "the course's")
}
