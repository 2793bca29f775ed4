package handlers

import "net/http"

// oneSession refuses a request with two sessions. Without TLS a page on a
// neighbouring host can plant one of its owner's beside the visitor's own, and a
// browser does not say which is which; over HTTPS the cookie's __Host- prefix
// keeps it out of the browser in the first place.
func (s *Site) oneSession(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := ownCookie(r.Header, s.sessions.Cookie.Name); err != nil {
			visitOf(r).sessionless = true
			s.errorPage(w, r, http.StatusBadRequest, "Your browser sent two sign-ins, so neither was believed and nothing was done. "+
				"Remove the cookies of this address and of those below the same name, then sign in again.")
			return
		}
		next.ServeHTTP(w, r)
	})
}
