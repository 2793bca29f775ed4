package handlers

import (
	"cmp"
	"context"
	"net/http"
	"regexp"
	"strings"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

// imageForm is what a reference looks like: what the engine takes, and no more.
var imageForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,254}$`)

// siteImages is the site's list: what an administrator put on it, and in any case
// the operator's image of new courses.
func (s *Site) siteImages(ctx context.Context) ([]store.ListedImage, error) {
	list, err := s.Store.ListedImages(ctx)
	if err != nil {
		return nil, err
	}
	standard, listed := false, false
	for _, i := range list {
		standard, listed = standard || i.Standard, listed || i.Reference == s.Image
	}
	if !listed && s.Image != "" {
		list = append([]store.ListedImage{{Reference: s.Image, Title: "Standard"}}, list...)
	}
	for i := range list {
		if !standard && list[i].Reference == s.Image {
			list[i].Standard = true
		}
	}
	return list, nil
}

// standardImage is the image of new courses.
func (s *Site) standardImage(ctx context.Context) (string, error) {
	list, err := s.siteImages(ctx)
	for _, i := range list {
		if i.Standard {
			return i.Reference, err
		}
	}
	return s.Image, err
}

// mayNameAny reports whether the visitor may name images that are not on the list.
func (s *Site) mayNameAny(r *http.Request) (bool, error) {
	if visitOf(r).user.SiteAdmin {
		return true, nil // who could put it there
	}
	return s.Store.AnyImage(r.Context())
}

// imageChoice is the field in which a course or an assignment chooses its image.
// now is what is chosen, saved what stands in the database; inherit is the image
// that an empty choice means, "" if there is none.
func (s *Site) imageChoice(r *http.Request, now, saved, inherit string, errs []views.FieldError) (views.ImageChoiceView, error) {
	list, err := s.siteImages(r.Context())
	if err != nil {
		return views.ImageChoiceView{}, err
	}
	free, err := s.mayNameAny(r)
	if err != nil {
		return views.ImageChoiceView{}, err
	}
	out := views.ImageChoiceView{Select: views.FieldView{Name: "image", Label: "Notebook image", Error: errorOf(errs, "image"), Optional: inherit != "",
		Hint: pick(inherit == "", "The environment that notebooks open in, unless an assignment names another.", "The environment that this assignment's notebooks open in and are graded in.")}}
	found := false
	add := func(value, text string) {
		found = found || value == now
		out.Select.Options = append(out.Select.Options, views.Option{Value: value, Text: text, Selected: value == now})
	}
	if inherit != "" {
		add("", "The course's: "+imageTitle(list, inherit))
	}
	for _, i := range list {
		add(i.Reference, i.Title+" — "+i.Reference)
		if i.Note != "" {
			out.Notes = append(out.Notes, views.Definition{Term: i.Title, Text: i.Note})
		}
	}
	if saved != "" && !listed(list, saved) {
		add(saved, saved+" — not on the site’s list")
	}
	if free {
		out.Other = &views.FieldView{Name: "image_other", Label: "Another image", Optional: true, Autocomplete: "off", Placeholder: "registry.example.edu/course:2026",
			Hint: "Leave it empty to use the one chosen above. Any image with JupyterLab works."}
		if !found {
			out.Other.Value = now
		}
	}
	return out, nil
}

func listed(list []store.ListedImage, reference string) bool {
	for _, i := range list {
		if i.Reference == reference {
			return true
		}
	}
	return false
}

// imageTitle is a reference as people know it.
func imageTitle(list []store.ListedImage, reference string) string {
	for _, i := range list {
		if i.Reference == reference {
			return i.Title + " — " + reference
		}
	}
	return imageText(reference)
}

// chosenImage reads the field; what was typed goes before what was chosen.
func chosenImage(r *http.Request) string {
	return cmp.Or(strings.TrimSpace(r.PostFormValue("image_other")), strings.TrimSpace(r.PostFormValue("image")))
}

// checkImage refuses an image that the visitor may not choose. saved, what stands
// already, may stay whatever the list says by now.
func (s *Site) checkImage(r *http.Request, image, saved string) error {
	if image == saved {
		return nil
	}
	if !imageForm.MatchString(image) {
		return course.Fieldf("image", "An image is named like registry.example.edu/course:2026.")
	}
	list, err := s.siteImages(r.Context())
	if err != nil || listed(list, image) {
		return err
	}
	free, err := s.mayNameAny(r)
	if err == nil && !free {
		err = course.Fieldf("image", "Choose one of the images on the site's list. An administrator can add %s to it.", image)
	}
	return err
}
