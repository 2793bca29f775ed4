package views

import "net/http"

// ErrorText is the title, the sentence and what was kept for a status that carries no words of its own.
func ErrorText(status int) (title, text, kept string) {
	switch status {
	case http.StatusForbidden:
		return "You may not do that", "Your role in this course does not include this. If it should, ask an instructor of the course.", "Nothing was changed."
	case http.StatusNotFound:
		return "There is nothing here", "The address may be mistyped, what it led to may be gone, or you may be signed in with another account.", ""
	case http.StatusMethodNotAllowed:
		return "This address works differently", "It cannot be opened this way. Go back and use the button on the page.", "Nothing was changed."
	case http.StatusConflict:
		return "Somebody was here first", "This was changed while you had it open. Go back, load the page again and look at what is there now.", "Their change is saved; yours was not applied."
	case http.StatusRequestEntityTooLarge:
		return "That is too large", "A file may have 100 MB, an upload 200 MB and 5,000 files. Leave out what can be made again, such as outputs and caches.", "Nothing of this upload was stored; what was there before is unchanged."
	case http.StatusUnprocessableEntity:
		return "That could not be used", "Something in the form does not fit. Go back and look at it again.", "Nothing was changed."
	case http.StatusTooManyRequests:
		return "A little slower, please", "There were very many requests from here in a short time. Wait a minute, then try again.", "Nothing was changed by this last request."
	case http.StatusServiceUnavailable:
		return "Not available just now", "Part of the site is restarting or very busy. Try again in a moment.", "What you saved before is safe."
	}
	return "Something went wrong", "The mistake is ours, and it has been recorded. Try again; if it stays, ask for help.", "What you saved before is safe."
}
