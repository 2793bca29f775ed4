package handlers

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"

	"lectern/spawner"
	"lectern/store"
	"lectern/views"
)

// ends say why a workspace ended, by the spawner's word; another word stands for
// itself.
var ends = map[spawner.Reason]string{
	spawner.Idle: "nothing happened in it", spawner.TooOld: "it had reached its longest time", spawner.ByStudent: "by its student",
	spawner.ByStaff: "by the staff", spawner.Discarded: "the copy was discarded", spawner.NetworkClosed: "its network had to be closed", spawner.Unused: "started ahead, and nobody opened it",
	spawner.QuitSelf: "JupyterLab was shut down", spawner.OutOfMem: "out of memory", spawner.Crashed: "it crashed", spawner.Gone: "it was gone from its machine",
}

// endText is the detail of a line, as people read it.
func endText(l store.ActivityLine) string {
	if l.Verb == "workspace ended" {
		return cmp.Or(ends[spawner.Reason(l.Detail)], l.Detail)
	}
	return l.Detail
}

const activityPage = 100 // lines at a time

// activity shows who did what in the course, and when.
func (s *Site) activity(w http.ResponseWriter, r *http.Request) error {
	v, ask := visitOf(r), r.URL.Query()
	before, _ := strconv.ParseInt(ask.Get("before"), 10, 64)
	q := store.ActivityQuery{Actor: strings.TrimSpace(ask.Get("who")), Verb: ask.Get("verb"), Text: strings.TrimSpace(ask.Get("q")),
		Before: max(0, before), Limit: activityPage + 1}
	lines, err := s.Store.Activity(r.Context(), v.course.ID, q)
	if err != nil {
		return err
	}
	verbs, err := s.Store.ActivityVerbs(r.Context(), v.course.ID)
	if err != nil {
		return err
	}
	base := activityPath(v.course.Slug)
	p := views.ActivityView{Page: s.coursePage(r, "Activity", "activity")}
	p.Filter = views.FilterView{URL: base, Query: q.Text, Search: "Person, assignment or detail"}
	options := []views.Option{{Text: "Everything"}}
	for _, verb := range verbs {
		options = append(options, views.Option{Value: verb, Text: verb, Selected: verb == q.Verb})
	}
	p.Filter.Selects = []views.FieldView{{Name: "verb", Label: "What", Options: options}}
	if q.Actor != "" {
		p.Who = q.Actor
		p.Filter.Keep = append(p.Filter.Keep, views.Option{Value: "who", Text: q.Actor})
	}
	if q.Actor != "" || q.Verb != "" || q.Text != "" {
		p.Filter.Clear = base
	}
	if len(lines) > activityPage {
		lines = lines[:activityPage]
		p.Older = asking(base, ask, "before", strconv.FormatInt(lines[activityPage-1].ID, 10))
	}
	if q.Before > 0 {
		p.Newest = asking(base, ask, "before", "")
	}
	for _, l := range lines {
		row := views.ActivityRow{At: when(l.At, s.Now(), v.course.Location()), Who: cmp.Or(l.ActorName, l.Actor, "Lectern"), Verb: l.Verb, Detail: endText(l)}
		if l.Actor != "" {
			row.WhoURL = asking(base, ask, "who", l.Actor, "before", "")
		}
		if l.Assignment != "" {
			row.What, row.WhatURL = l.Title, assignmentPath(v.course.Slug, l.Assignment)
		}
		if l.Member != "" {
			row.Whom, row.WhomURL = cmp.Or(l.MemberName, l.Member), memberPath(v.course.Slug, l.Member)
		}
		p.Rows = append(p.Rows, row)
	}
	return s.show(w, r, views.Activity(p))
}
