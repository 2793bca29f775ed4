package handlers

import (
	"fmt"
	"maps"
	"net/url"
	"strconv"

	"lectern/views"
)

// tableQuery makes the links of a table that is sorted and paged by its address.
type tableQuery struct {
	base   string
	values url.Values // of the present page
}

// with is the address with some parameters changed; "" removes one.
func (q tableQuery) with(pairs ...string) string {
	v := maps.Clone(q.values)
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			v.Del(pairs[i])
		} else {
			v[pairs[i]] = []string{pairs[i+1]}
		}
	}
	if len(v) == 0 {
		return q.base
	}
	return q.base + "?" + v.Encode()
}

// head is a column's head: a link that sorts by it, or turns the order round.
func (q tableQuery) head(key, text, sort string, down, numeric bool) views.SortView {
	v := views.SortView{Text: text, Numeric: numeric, URL: q.with("sort", key, "dir", "", "page", "")}
	if key == sort {
		v.Sort = pick(down, "descending", "ascending")
		v.URL = q.with("sort", key, "dir", pick(down, "", "down"), "page", "")
	}
	return v
}

// pages is the row below a table of total rows, at page n.
func (q tableQuery) pages(n, total int) views.PagesView { return q.pagesOf(n, total, rowsPerPage) }

// pagesOf is pages for a table with so many rows a page.
func (q tableQuery) pagesOf(n, total, rows int) views.PagesView {
	last := max(1, (total+rows-1)/rows)
	v := views.PagesView{Text: fmt.Sprintf("%d–%d of %d", min(total, (n-1)*rows+1), min(total, n*rows), total)}
	if total == 0 {
		v.Text = "Nobody"
	}
	at := func(p int) string { return q.with("page", strconv.Itoa(p)) }
	if n > 1 {
		v.Prev = at(n - 1)
	}
	if n < last {
		v.Next = at(n + 1)
	}
	if last == 1 {
		return v
	}
	gap := false
	for p := 1; p <= last; p++ {
		switch {
		case p == 1 || p == last || p >= n-2 && p <= n+2:
			v.Links = append(v.Links, views.PageLink{Text: strconv.Itoa(p), URL: at(p), Current: p == n})
			gap = false
		case !gap:
			v.Links = append(v.Links, views.PageLink{Text: "…"})
			gap = true
		}
	}
	return v
}
