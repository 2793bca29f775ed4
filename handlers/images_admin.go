package handlers

import (
	"fmt"
	"net/http"
	"net/url"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

const adminImagesPath = adminPath + "/images"

func imageQuery(path, reference string) string {
	return path + "?" + url.Values{"reference": {reference}}.Encode()
}

// adminImages shows the site's list of images, and what courses miss.
func (s *Site) adminImages(w http.ResponseWriter, r *http.Request) error {
	list, err := s.siteImages(r.Context())
	if err != nil {
		return err
	}
	var form store.ListedImage
	for _, i := range list {
		if i.Reference == r.URL.Query().Get("change") {
			form = i
		}
	}
	return s.showImages(w, r, http.StatusOK, list, form, form.Reference != "", nil)
}

func (s *Site) showImages(w http.ResponseWriter, r *http.Request, status int, list []store.ListedImage, form store.ListedImage, change bool, errs []views.FieldError) error {
	any, err := s.Store.AnyImage(r.Context())
	if err != nil {
		return err
	}
	uses, err := s.Store.ImageUses(r.Context())
	if err != nil {
		return err
	}
	tests, err := s.Store.SiteImageTests(r.Context())
	if err != nil {
		return err
	}
	p := views.AdminImagesView{Page: s.page(r, "Images"), Action: adminImagesPath, What: adminImagesPath + "/default", Switch: adminImagesPath + "/any",
		Any: any, Change: change, Cancel: adminImagesPath, Errors: errs, Fields: imageFields(form, change, errs)}
	p.Page.Crumbs, p.Page.Width = []views.Crumb{{Text: "Administration", URL: adminPath}, {Text: "Images"}}, "wide"
	for n, i := range list {
		row := views.AdminImage{Reference: i.Reference, Title: i.Title, Note: i.Note, Standard: i.Standard, Own: i.Reference == s.Image, MayDefault: !i.Standard,
			Courses: fmt.Sprint(uses[i.Reference]), Test: imageQuery(adminImagesPath+"/test", i.Reference),
			Change: adminImagesPath + "?" + url.Values{"change": {i.Reference}}.Encode() + "#add"}
		row.State, row.StateText = testState(tests[i.Reference])
		if !row.Own {
			row.Remove = removeImageConfirm(i, uses[i.Reference])
			row.Remove.ID, row.RemoveURL = fmt.Sprintf("remove-%d", n), imageQuery(adminImagesPath+"/remove", i.Reference)
		}
		p.Images = append(p.Images, row)
	}
	if p.Missing, err = s.missingImages(r); err != nil {
		return err
	}
	return s.showStatus(w, r, status, views.AdminImages(p))
}

func imageFields(i store.ListedImage, change bool, errs []views.FieldError) []views.FieldView {
	reference := views.FieldView{Name: "reference", Label: "Image", Value: i.Reference, Error: errorOf(errs, "reference"), Autocomplete: "off",
		Placeholder: "registry.example.edu/course:2026", Hint: "As the container engine names it. It is fetched when an assignment is first released with it."}
	if change {
		reference.Hint = "Another name adds another image."
	}
	return []views.FieldView{reference,
		{Name: "title", Label: "Title", Value: i.Title, Error: errorOf(errs, "title"), Placeholder: "Python with PyTorch", Autocomplete: "off"},
		{Name: "note", Label: "What it is for", Value: i.Note, Error: errorOf(errs, "note"), Optional: true, Autocomplete: "off", Hint: "A sentence that helps instructors to choose."}}
}

func removeImageConfirm(i store.ListedImage, courses int) views.ConfirmView {
	c := views.ConfirmView{ID: "remove", Title: "Remove " + i.Title + " from the list?", Action: adminImagesPath + "/remove", Button: "Remove", Kind: "danger", Back: adminImagesPath,
		Fields: []views.Option{{Value: "reference", Text: i.Reference}}, Loses: "Its place on the list: nobody can choose it any more.",
		Keeps: "The image itself. No course uses it."}
	if courses > 0 {
		c.Keeps = fmt.Sprintf("The image itself, and %s that %s it.", plural(courses, "course"), pick(courses == 1, "uses", "use"))
	}
	return c
}

// saveImage puts an image on the list, or changes what is said of it.
func (s *Site) saveImage(w http.ResponseWriter, r *http.Request) error {
	field := func(name string) string { return course.OneLine(r.PostFormValue(name)) }
	i := store.ListedImage{Reference: field("reference"), Title: field("title"), Note: field("note")}
	var ps course.Problems
	if !imageForm.MatchString(i.Reference) {
		ps = append(ps, course.Fieldf("reference", "An image is named like registry.example.edu/course:2026."))
	}
	if i.Title == "" || len(i.Title) > 100 {
		ps = append(ps, course.Fieldf("title", "Give the image a title of at most 100 characters."))
	}
	if len(i.Note) > 500 {
		ps = append(ps, course.Fieldf("note", "A sentence has at most 500 characters here."))
	}
	err := ps.OrNil()
	if err == nil {
		err = s.Store.SaveImage(r.Context(), i, visitOf(r).user.ID)
	}
	if errs, ok := formErrors(err); ok {
		list, err := s.siteImages(r.Context())
		if err != nil {
			return err
		}
		return s.showImages(w, r, http.StatusUnprocessableEntity, list, i, false, errs)
	}
	if err != nil {
		return err
	}
	s.flash(r, "good", i.Title+" is on the list. Test it before courses use it.")
	return seeOther(w, r, adminImagesPath)
}

// defaultImage gives new courses another image.
func (s *Site) defaultImage(w http.ResponseWriter, r *http.Request) error {
	i, err := s.listedImage(r)
	if err != nil {
		return err
	}
	if err := s.Store.MakeImageStandard(r.Context(), i.Reference, visitOf(r).user.ID); err != nil {
		return err
	}
	s.flash(r, "good", "New courses begin with "+i.Title+". Courses that exist keep theirs.")
	return seeOther(w, r, adminImagesPath)
}

// confirmRemoveImage asks first, for those without scripts.
func (s *Site) confirmRemoveImage(w http.ResponseWriter, r *http.Request) error {
	i, err := s.listedImage(r)
	if err != nil {
		return err
	}
	uses, err := s.Store.ImageUses(r.Context())
	if err != nil {
		return err
	}
	page := s.page(r, "Remove an image")
	page.Width = "narrow"
	return s.show(w, r, views.Confirm(views.ConfirmPageView{Page: page, Confirm: removeImageConfirm(i, uses[i.Reference])}))
}

// removeImage takes an image off the list.
func (s *Site) removeImage(w http.ResponseWriter, r *http.Request) error {
	i, err := s.listedImage(r)
	if err != nil {
		return err
	}
	if i.Reference == s.Image {
		return course.Problemf(course.Conflict, "The operator's image of new courses is always on the list.")
	}
	if err := s.Store.DropImage(r.Context(), i.Reference, visitOf(r).user.ID); err != nil {
		return err
	}
	s.flash(r, "good", i.Title+" is off the list. Courses that use it go on.")
	return seeOther(w, r, adminImagesPath)
}

// switchAnyImage lets instructors name images that are not on the list, or not.
func (s *Site) switchAnyImage(w http.ResponseWriter, r *http.Request) error {
	yes := r.PostFormValue("any") == "yes"
	if err := s.Store.AllowAnyImage(r.Context(), yes, visitOf(r).user.ID); err != nil {
		return err
	}
	s.flash(r, "good", pick(yes, "Instructors may name any image.", "Instructors choose from the list."))
	return seeOther(w, r, adminImagesPath)
}

// listedImage is the image of the list that a request names.
func (s *Site) listedImage(r *http.Request) (store.ListedImage, error) {
	reference := r.FormValue("reference")
	list, err := s.siteImages(r.Context())
	if err != nil {
		return store.ListedImage{}, err
	}
	for _, i := range list {
		if i.Reference == reference {
			return i, nil
		}
	}
	return store.ListedImage{}, course.Problemf(course.NotFound, "That image is not on the list.")
}

// missingImages are pinned images that the engine has no more.
func (s *Site) missingImages(r *http.Request) (out []views.MissingImage, err error) {
	list, err := s.Store.MissingImages(r.Context())
	for _, m := range list {
		row := views.MissingImage{Course: m.CourseTitle, CourseURL: coursePath(m.CourseSlug), Reference: m.Reference, Image: imageText(m.ImageID),
			Since: whenIf(m.MissingAt, s.Now(), visitOf(r).course.Location(), "")}
		if m.RepoDigest != "" {
			row.Fetch = imageQuery(adminImagesPath+"/fetch", m.Reference) + "&course=" + url.QueryEscape(m.CourseSlug)
		} else {
			row.State = "It was built on the engine, so it cannot be fetched. Load it again, or let the course take a newer one."
		}
		out = append(out, row)
	}
	return out, err
}

// fetchMissing has a course's pinned image fetched again.
func (s *Site) fetchMissing(w http.ResponseWriter, r *http.Request) error {
	c, err := s.Store.Course(r.Context(), r.URL.Query().Get("course"))
	if err != nil {
		return err
	}
	ask := store.ImageAsk{Kind: store.ImageFetch, Reference: r.URL.Query().Get("reference"), CourseID: c.ID}
	if _, pinned, err := s.Store.ImagePin(r.Context(), c.ID, ask.Reference); err != nil || !pinned {
		return course.Problemf(course.NotFound, "The course is not pinned to that image.")
	}
	if err := s.Store.AskImage(r.Context(), ask, visitOf(r).user.ID, s.Now()); err != nil {
		return err
	}
	s.flash(r, "good", "The image is being fetched. It leaves this list once it is there.")
	return seeOther(w, r, adminImagesPath)
}

// testState is the badge of an image's test; the zero job was never asked for.
func testState(j store.ImageJob) (kind, text string) {
	switch {
	case j.ID == 0:
		return "todo", "Never tested"
	case j.Moving():
		return "running", "Running"
	case j.State == "failed":
		return "failed", "Failed"
	}
	return "ok", "Passed"
}
