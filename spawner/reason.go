package spawner

import (
	"errors"

	"lectern/spawner/container"
)

// Reason is why a workspace failed or stopped. The database keeps this word;
// people read Text.
type Reason string

const (
	None Reason = ""

	// Starts that failed.
	NoImage   Reason = "no-image"
	NoJupyter Reason = "no-jupyter"
	NoFiles   Reason = "no-files"
	NoEngine  Reason = "no-engine"
	TooSlow   Reason = "too-slow"
	BootEnded Reason = "boot-ended"
	BootOOM   Reason = "boot-oom"
	NotBegun  Reason = "not-begun"
	NoRoom    Reason = "no-room"         // waits: no machine has the memory
	OldAway   Reason = "old-unreachable" // waits: an earlier one may still run

	// Running ones that ended by themselves.
	Crashed  Reason = "crashed"
	Gone     Reason = "gone"
	OutOfMem Reason = "out-of-memory"
	QuitSelf Reason = "quit"
	Lost     Reason = "machine-lost"

	// A running one that goes on.
	KernelOOM Reason = "kernel-out-of-memory"
	Away      Reason = "unreachable" // its machine; it may run or not

	// Stops that somebody wanted.
	ByStudent     Reason = "by-student"
	ByStaff       Reason = "by-staff"
	Discarded     Reason = "discarded" // a throw-away copy
	Idle          Reason = "idle"
	TooOld        Reason = "too-old"
	NetworkClosed Reason = "network-closed" // it was given an open one
	Unused        Reason = "unused"         // started ahead, and not opened
)

// words are the sentences, and whether trying again may help.
var words = map[Reason]struct {
	text  string
	retry bool
}{
	NoImage:   {"The environment of this assignment is not on the server at the moment. Your files are safe. The administrators of this site can see it; tell your instructor, and try again in a few minutes.", true},
	NoJupyter: {"The environment of this assignment has no JupyterLab in it. Please tell your instructor.", false},
	NoFiles:   {"Your files could not be reached, so nothing was started. They are not lost. Try again in a minute, and tell your instructor if it happens twice.", true},
	NoEngine:  {"The server that runs workspaces does not answer at the moment. Your files are safe. Try again in a minute.", true},
	TooSlow:   {"Starting took too long and was given up. The server may be very busy. Your files are safe. Try again.", true},
	BootEnded: {"JupyterLab ended while it was starting. Try again; if it happens twice, tell your instructor.", true},
	BootOOM:   {"There was not enough memory for JupyterLab to start. Please tell your instructor.", true},
	NotBegun:  {"The workspace could not be started. Your files are safe. Try again; if it happens twice, tell your instructor.", true},

	NoRoom:  {"Waiting for memory: all of it is in use at the moment. Your workspace starts by itself when some is free.", true},
	OldAway: {"The machine your workspace last ran on does not answer. It may still be writing to your files, so nothing is started until it is back or the operators have confirmed that it is off. Then it starts by itself.", true},

	Crashed:  {"Your workspace ended unexpectedly. What you had saved is there. Open the assignment again to go on.", true},
	Gone:     {"Your workspace is no longer running on the server. What you had saved is there. Open the assignment again to go on.", true},
	OutOfMem: {"Your workspace used more memory than it may and was ended. What you had saved is there. Open it again, and work on less data at once.", true},
	QuitSelf: {"JupyterLab was shut down. Open the assignment again whenever you like.", true},

	Lost: {"The machine your workspace ran on was lost. What you had saved is there. Open the assignment again to go on, on another machine.", true},

	Away:      {"The machine your workspace runs on does not answer at the moment. What you had saved is safe, and if the machine comes back your workspace goes on where it was.", true},
	KernelOOM: {"A program ran out of memory and was ended. Your workspace is still running: restart the kernel, and work on less data at once.", true},

	ByStudent:     {"You stopped this workspace. Your files are there whenever you open it again.", true},
	ByStaff:       {"This workspace was stopped by the staff of the course. What you had saved is there.", true},
	Discarded:     {"This copy was discarded.", true},
	NetworkClosed: {"This workspace was stopped because its network has to be closed for an assignment. What you had saved is there. Open the assignment again to go on.", true},
	Idle:          {"This workspace was stopped because nothing happened in it for a while. What you had saved is there.", true},
	Unused:        {"This workspace was made ready for you and stopped again because nobody opened it. Your files are as they were.", true},
	TooOld:        {"This workspace had reached the longest time it may run and was stopped. What you had saved is there.", true},
}

// Text is a sentence for the student; empty for None.
func (r Reason) Text() string { return words[r].text }

// Retry reports whether opening again may help.
func (r Reason) Retry() bool { return r == None || words[r].retry }

// failure is the reason for an error of the engine.
func failure(err error) Reason {
	switch {
	case errors.Is(err, container.ErrImageMissing):
		return NoImage
	case errors.Is(err, container.ErrNoProgram):
		return NoJupyter
	case errors.Is(err, container.ErrMount):
		return NoFiles
	case errors.Is(err, container.ErrNoRoom):
		return NoRoom
	case errors.Is(err, container.ErrEngineDown):
		return NoEngine
	}
	return NotBegun
}
