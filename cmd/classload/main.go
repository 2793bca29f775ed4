// Command classload is a class that works in Lectern: so many students sign in,
// open an assignment, run cells, save and hand in, each over the HTTP and
// websockets that a browser with JupyterLab would use. It knows nothing of
// Lectern but its addresses, asks everything once, without trying again, and
// counts what failed. It works against this machine alone.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole command. It gives 0 if every step of every student went
// well, 1 if one did not and 2 if it was asked for what it does not do.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	p, asJSON, err := parse(args, stderr)
	if err != nil {
		if err != flag.ErrHelp {
			fmt.Fprintln(stderr, "classload:", err)
		}
		return 2
	}
	c := &class{plan: p, rec: newRecorder()}
	if p.enrol != "" {
		if err := c.enrol(ctx); err != nil {
			fmt.Fprintln(stderr, "classload: put the students on the roster:", err)
			return 2
		}
	}
	c.run(ctx)
	r := c.report()
	if asJSON {
		out := json.NewEncoder(stdout)
		out.SetIndent("", "\t")
		err = out.Encode(r)
	} else {
		err = r.text(stdout)
	}
	if err != nil || r.Failed > 0 || r.Submitted < r.Students {
		return 1
	}
	return 0
}
