// Package quota says how much a home holds, and has the file system keep it from
// holding more. It refuses to know whose home it is or what that person is told.
package quota

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Driver bounds homes. Its methods may be called at once for different homes.
type Driver interface {
	// New makes an empty directory one that can be bounded, before anything is in
	// it. Its owner and mode are the caller's to set afterwards.
	New(ctx context.Context, dir string) error

	// Bound makes sure that the home holds at most so many bytes; more than that
	// may be in it already. id is the home's own among all on the file system. It
	// is [ErrPlain] for a directory that cannot be bounded.
	Bound(ctx context.Context, home string, id uint32, bytes int64) error

	// Used is what the home holds.
	Used(ctx context.Context, home string) (Usage, error)
}

// Usage is what a home holds.
type Usage struct {
	Bytes int64 // on the disk
	// More: there is more than was counted, in time or in number.
	More bool
}

// ErrPlain is a directory that was made before homes were bounded.
var ErrPlain = errors.New("quota: the directory cannot be bounded")

// Open is the driver of this name: none, btrfs or xfs. One that bounds is tried
// on a directory of its own below homes, so that a site does not start with a
// bound that holds nobody.
func Open(ctx context.Context, name, homes string) (Driver, error) {
	var d Driver
	switch name {
	case "none":
		return Walk{}, nil
	case "btrfs":
		d = Btrfs{}
	case "xfs":
		d = XFS{}
	default:
		return nil, fmt.Errorf("quota: no driver %q", name)
	}
	if err := try(ctx, d, homes); err != nil {
		return nil, fmt.Errorf("quota: homes below %s cannot be bounded by %s: %w", homes, name, err)
	}
	return d, nil
}

// triedID is the id of the directory that [Open] makes, below those of members.
const triedID = 1<<16 - 1

func try(ctx context.Context, d Driver, homes string) error {
	dir, err := os.MkdirTemp(homes, ".quota-trial-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := d.New(ctx, dir); err != nil {
		return err
	}
	if err := d.Bound(ctx, dir, triedID, 4<<20); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "fits"), make([]byte, 1<<20), 0o600); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, "does not fit"))
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(make([]byte, 8<<20))
	if err = errors.Join(err, f.Sync()); err == nil {
		return errors.New("what is more than the bound can be written all the same")
	} else if !full(err) {
		return err
	}
	_, err = d.Used(ctx, dir)
	return err
}
