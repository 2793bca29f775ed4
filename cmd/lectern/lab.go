package main

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"lectern/spawner/container"
)

//go:embed lab/notes.js
var labNotes []byte

// labDir is where any JupyterLab looks for extensions.
const labDir = "/usr/local/share/jupyter/labextensions/lectern-notes"

func (h *house) labNotesDir() string {
	return filepath.Join(h.cfg.Data, "labextensions", "lectern-notes")
}

// writeLabNotes lays out the extension that shows notes in JupyterLab, for
// workspaces to mount. It runs with no more right than any script of the
// workspace, and shows its student what is theirs to know.
func (h *house) writeLabNotes() error {
	dir, sum := h.labNotesDir(), sha256.Sum256(labNotes)
	script := "notes." + hex.EncodeToString(sum[:6]) + ".js"
	about, err := json.Marshal(map[string]any{"name": "lectern-notes", "version": "1.0.0", "description": "Notes of Lectern",
		"jupyterlab": map[string]any{"extension": true, "_build": map[string]string{"load": "static/" + script, "extension": "./extension"}}})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "static"), 0o755); err != nil {
		return fmt.Errorf("notes for JupyterLab: %w", err)
	}
	// The script first: whoever reads the description finds what it names.
	for _, f := range []struct {
		name string
		text []byte
	}{{"static/" + script, labNotes}, {"package.json", about}} {
		path := filepath.Join(dir, f.name)
		fresh := fmt.Sprintf("%s.%d", path, os.Getpid())
		if err := os.WriteFile(fresh, f.text, 0o644); err != nil {
			return fmt.Errorf("notes for JupyterLab: %w", err)
		}
		if err := os.Rename(fresh, path); err != nil {
			return fmt.Errorf("notes for JupyterLab: %w", err)
		}
	}
	return nil
}

// labMounts shows the extension to a workspace, if it is there: no student waits
// for a notice board.
func (h *house) labMounts() []container.Mount {
	if _, err := os.Stat(filepath.Join(h.labNotesDir(), "package.json")); err != nil || h.cfg.Spawner == "process" {
		return nil
	}
	return []container.Mount{{From: h.labNotesDir(), To: labDir}}
}
