package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"lectern/spawner/container/certs"
)

// certsCmd makes what Lectern and container engines on other machines show each
// other: see docs/swarm.md.
type certsCmd struct {
	Init   certsInitCmd   `cmd:"" help:"Make an authority of your own, and the certificate that Lectern shows to engines."`
	Server certsServerCmd `cmd:"" help:"Make the certificate of one machine's engine."`
	List   certsListCmd   `cmd:"" help:"Show every certificate, for whom it is and when it expires."`
}

// expiresSoon is when certs list begins to complain.
const expiresSoon = 30 * 24 * time.Hour

type certsInitCmd struct {
	Dir  string `required:"" placeholder:"DIR" help:"A new directory. Its ca-key.pem can make new certificates: keep it off the machines."`
	Days int    `default:"825" help:"Days that Lectern's own certificate is good for; the authority's is good for ten years."`
}

// Run makes DIR with ca.pem, ca-key.pem and client/.
func (c certsInitCmd) Run(e *env) error {
	ca, client, err := certs.Init(c.Dir, c.Days)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "made %s, good until %s\nmade %s, good until %s\n", ca.Path, day(ca.Expires), client.Path, day(client.Expires))
	return err
}

type certsServerCmd struct {
	Dir       string   `required:"" placeholder:"DIR" help:"The directory that init made."`
	Days      int      `default:"825" help:"Days that it is good for."`
	Name      string   `arg:"" help:"What the machine is called; the new directory's name."`
	Addresses []string `arg:"" help:"IP addresses and names under which Lectern reaches the machine."`
}

// Run makes DIR/NAME with ca.pem, server-cert.pem and server-key.pem.
func (c certsServerCmd) Run(e *env) error {
	made, err := certs.Server(c.Dir, c.Name, c.Addresses, c.Days)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "made %s for %s, good until %s\n", made.Path, strings.Join(made.For, ", "), day(made.Expires))
	return err
}

type certsListCmd struct {
	Dir string `required:"" placeholder:"DIR" help:"A directory of certificates."`
}

// Run ends with an error if a certificate expires within 30 days, so that a
// scheduler can run it.
func (c certsListCmd) Run(e *env) error {
	list, err := certs.List(c.Dir)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FILE\tFOR\tEXPIRES\tDAYS LEFT")
	soon := 0
	for _, m := range list {
		left := time.Until(m.Expires)
		if left < expiresSoon {
			soon++
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\n", m.Path, strings.Join(m.For, " "), day(m.Expires), int(left.Hours()/24))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if soon > 0 {
		return fmt.Errorf("%d certificates have expired or will within 30 days", soon)
	}
	return nil
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }
