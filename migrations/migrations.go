// Package migrations holds the database's history as numbered SQL files. They
// only go forward, and one that has landed is never edited.
package migrations

import "embed"

// FS holds NNNN_name.sql in goose's format.
//
//go:embed *.sql
var FS embed.FS
