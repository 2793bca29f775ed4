package course

// Preparation is how a course's releases are made. The zero value is nbgrader's
// own way.
type Preparation struct {
	CodeStubs map[string]string `json:"code_stubs,omitempty"` // by the kernel's language: what stands in place of code; others keep nbgrader's
	TextStub  string            `json:"text_stub,omitempty"`  // in place of a written answer; empty is nbgrader's
}
