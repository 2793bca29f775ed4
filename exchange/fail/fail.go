// Package fail marks the places between two steps where a crash must do no
// harm, so that a test can crash exactly there. Nothing but a test sets a hook;
// without one a point costs a single atomic load.
package fail

import "sync/atomic"

var hook atomic.Pointer[func(point string)]

// At is reached between two steps of a move of files.
func At(point string) {
	if h := hook.Load(); h != nil {
		(*h)(point)
	}
}

// Set calls f at every point from now on; nil removes it. For tests only: f may
// kill the process, wait, or count.
func Set(f func(point string)) {
	if f == nil {
		hook.Store(nil)
		return
	}
	hook.Store(&f)
}
