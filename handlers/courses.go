package handlers

import (
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

// mayCreateCourses: site admins, and whoever teaches a course already.
func (s *Site) mayCreateCourses(r *http.Request) error {
	u := visitOf(r).user
	if u.SiteAdmin {
		return nil
	}
	teaches, err := s.Store.Teaches(r.Context(), u.ID)
	if err == nil && !teaches {
		err = course.Problemf(course.Forbidden, "Courses are made by people who teach. Ask the site's administrator.")
	}
	return err
}

// newCourse is the form for one more course.
func (s *Site) newCourse(w http.ResponseWriter, r *http.Request) error {
	if err := s.mayCreateCourses(r); err != nil {
		return err
	}
	image, err := s.standardImage(r.Context())
	if err != nil {
		return err
	}
	return s.showNewCourse(w, r, http.StatusOK, course.Course{Zone: "UTC", Image: image}, uuid.NewString(), nil)
}

func (s *Site) showNewCourse(w http.ResponseWriter, r *http.Request, status int, c course.Course, key string, errs []views.FieldError) error {
	p := views.NewCourseView{Page: s.page(r, "New course"), Action: newCoursePath, Back: "/", Key: key, Fields: courseFields(c, errs)}
	var err error
	if p.Fields.Image, err = s.imageChoice(r, c.Image, "", "", errs); err != nil {
		return err
	}
	p.Page.Crumbs = []views.Crumb{{Text: "New course"}}
	return s.showStatus(w, r, status, views.NewCourse(p))
}

// createCourse makes a course, with its maker as its instructor.
func (s *Site) createCourse(w http.ResponseWriter, r *http.Request) error {
	if err := s.mayCreateCourses(r); err != nil {
		return err
	}
	c, err := readCourse(r)
	c.Slug = strings.ToLower(strings.TrimSpace(r.PostFormValue("slug")))
	if c.Slug == "" {
		c.Slug = slugOf(c.Title)
	}
	if err == nil {
		err = s.checkImage(r, c.Image, "")
	}
	if err == nil && (!course.ValidSlug(c.Slug) || c.Slug == "new") {
		err = course.Fieldf("slug", "A short name has lower-case letters, digits and hyphens, at most 63, and is not “new”, “release” or “feedback”.")
	}
	key := r.PostFormValue("key")
	if _, bad := uuid.Parse(key); bad != nil {
		key = uuid.NewString()
	}
	if err == nil {
		err = s.Store.AddCourseOnce(r.Context(), &c, visitOf(r).user.ID, key)
	}
	if errs, ok := formErrors(err); ok {
		return s.showNewCourse(w, r, http.StatusUnprocessableEntity, c, key, errs)
	}
	if err != nil {
		return err
	}
	s.flash(r, "good", c.Title+" is ready. Next: its people, and a first assignment.")
	return seeOther(w, r, coursePath(c.Slug))
}

// readCourse reads what may be changed about a course.
func readCourse(r *http.Request) (course.Course, error) {
	field := func(name string) string { return course.OneLine(r.PostFormValue(name)) }
	c := course.Course{Title: field("title"), Term: field("term"), Zone: field("zone"), Image: chosenImage(r)}
	var ps course.Problems
	if c.Title == "" || len(c.Title) > 200 {
		ps = append(ps, course.Fieldf("title", "Give the course a title of at most 200 characters."))
	}
	if len(c.Term) > 100 {
		ps = append(ps, course.Fieldf("term", "The term is too long."))
	}
	if _, err := time.LoadLocation(c.Zone); err != nil || c.Zone == "" || c.Zone == "Local" {
		ps = append(ps, course.Fieldf("zone", "Choose a time zone such as Europe/Berlin or America/Chicago."))
	}
	if c.Image == "" {
		ps = append(ps, course.Fieldf("image", "Choose the image that notebooks open in."))
	}
	return c, ps.OrNil()
}

func courseFields(c course.Course, errs []views.FieldError) views.CourseFields {
	zones := append([]string{}, commonZones...)
	return views.CourseFields{Errors: errs, Zones: zones,
		Title: views.FieldView{Name: "title", Label: "Title", Value: c.Title, Error: errorOf(errs, "title")},
		Slug: views.FieldView{Name: "slug", Label: "Short name", Value: c.Slug, Error: errorOf(errs, "slug"), Optional: true,
			Hint: "Names the course in addresses and directories, so it stays for good. Made from the title if you leave it empty."},
		Term: views.FieldView{Name: "term", Label: "Term", Value: c.Term, Error: errorOf(errs, "term"), Optional: true, Short: true, Placeholder: "Fall 2026"},
		Zone: views.FieldView{Name: "zone", Label: "Time zone", Value: c.Zone, Error: errorOf(errs, "zone"), Autocomplete: "off",
			Hint: "All times of the course are read in it: Europe/Berlin, America/Chicago, …"}}
}

// commonZones are offered while one types; every IANA zone is accepted.
var commonZones = []string{"UTC", "Africa/Cairo", "Africa/Johannesburg", "Africa/Lagos", "Africa/Nairobi", "America/Anchorage", "America/Argentina/Buenos_Aires",
	"America/Bogota", "America/Chicago", "America/Denver", "America/Halifax", "America/Los_Angeles", "America/Mexico_City", "America/New_York", "America/Phoenix",
	"America/Santiago", "America/Sao_Paulo", "America/Toronto", "America/Vancouver", "Asia/Dhaka", "Asia/Dubai", "Asia/Ho_Chi_Minh", "Asia/Hong_Kong", "Asia/Jakarta",
	"Asia/Jerusalem", "Asia/Karachi", "Asia/Kolkata", "Asia/Manila", "Asia/Seoul", "Asia/Shanghai", "Asia/Singapore", "Asia/Taipei", "Asia/Tehran", "Asia/Tokyo",
	"Australia/Brisbane", "Australia/Melbourne", "Australia/Perth", "Australia/Sydney", "Europe/Amsterdam", "Europe/Athens", "Europe/Berlin", "Europe/Dublin",
	"Europe/Helsinki", "Europe/Istanbul", "Europe/Kyiv", "Europe/Lisbon", "Europe/London", "Europe/Madrid", "Europe/Paris", "Europe/Rome", "Europe/Stockholm",
	"Europe/Vienna", "Europe/Warsaw", "Europe/Zurich", "Pacific/Auckland", "Pacific/Honolulu"}

// courseSettings shows what may be changed about the course.
func (s *Site) courseSettings(w http.ResponseWriter, r *http.Request) error {
	return s.showSettings(w, r, http.StatusOK, visitOf(r).course, nil)
}

func (s *Site) showSettings(w http.ResponseWriter, r *http.Request, status int, c course.Course, errs []views.FieldError) error {
	was := visitOf(r).course
	path := settingsPath(was.Slug)
	p := views.CourseSettingsView{Page: s.coursePage(r, "Settings", "settings"), Action: path, ArchiveURL: path + "/archive", MoveURL: movePath(was.Slug), ReleasesURL: releaseSettingsPath(was.Slug),
		Archived: was.ArchivedAt != nil, Fields: courseFields(c, errs)}
	p.TimesURL, p.LimitsURL = courseTimesPath(was.Slug), limitsPath(was.Slug)
	p.Fields.Slug.Optional = false
	p.Fields.Slug.Value, p.Fields.Slug.Disabled, p.Fields.Slug.Hint = was.Slug, true, "Names the course in addresses and directories, so it stays for good."
	p.Fields.Zone.Hint = "In another zone every deadline keeps its time of day: what is due at 23:59 stays due at 23:59, there."
	var err error
	if p.Fields.Image, err = s.imageChoice(r, c.Image, was.Image, "", errs); err != nil {
		return err
	}
	if p.Prestart, err = s.prestartSettings(r, visitOf(r)); err != nil {
		return err
	}
	return s.showStatus(w, r, status, views.CourseSettings(p))
}

// saveCourse saves them. Deadlines keep their wall time if the zone changes.
func (s *Site) saveCourse(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	c, err := readCourse(r)
	c.ID, c.Slug = v.course.ID, v.course.Slug
	if err == nil {
		err = s.checkImage(r, c.Image, v.course.Image)
	}
	if err == nil {
		err = s.Store.InTx(r.Context(), func(tx *store.Store) error {
			if err := tx.ChangeCourse(r.Context(), c); err != nil {
				return err
			}
			detail := ""
			if c.Zone != v.course.Zone {
				detail = "time zone " + v.course.Zone + " → " + c.Zone
			}
			return tx.Record(r.Context(), course.Activity{Actor: v.user.ID, CourseID: c.ID, Verb: "changed the course's settings", Detail: detail})
		})
	}
	if errs, ok := formErrors(err); ok {
		return s.showSettings(w, r, http.StatusUnprocessableEntity, c, errs)
	}
	if err != nil {
		return err
	}
	if c.Image != v.course.Image {
		if err := s.fetchChosen(r, c.Image); err != nil {
			return err
		}
	}
	s.flash(r, "good", "Saved.")
	return seeOther(w, r, settingsPath(c.Slug))
}

// archiveCourse takes the course off everybody's home page, or puts it back.
func (s *Site) archiveCourse(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	archive := r.PostFormValue("archive") == "yes"
	verb := "restored the course"
	if archive {
		verb = "archived the course"
	}
	err := s.Store.InTx(r.Context(), func(tx *store.Store) error {
		if err := tx.ArchiveCourse(r.Context(), v.course.ID, archive); err != nil {
			return err
		}
		return tx.Record(r.Context(), course.Activity{Actor: v.user.ID, CourseID: v.course.ID, Verb: verb})
	})
	if err != nil {
		return err
	}
	s.flash(r, "good", map[bool]string{true: "Archived. Everything is kept; it stands at the end of everybody's courses now.", false: "Back among everybody's courses."}[archive])
	return seeOther(w, r, settingsPath(v.course.Slug))
}
