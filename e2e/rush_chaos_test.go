//go:build chaos

package e2e_test

import (
	"testing"
	"time"
)

// TestChaosRush is a whole class of 220 in one minute.
func TestChaosRush(t *testing.T) { rush(t, 220, time.Minute) }
