package main

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"lectern/handlers"
)

// config is everything an operator decides, from the environment.
type config struct {
	Listen      string           // address to listen on
	SiteURL     *url.URL         // where people go
	Work        handlers.Origins // workspaces' hosts
	Content     handlers.Origins // untrusted files' hosts
	DatabaseURL string           // empty: a private cluster below Data
	Data        string           // the data root, as this process sees it
	DataHost    string           // the data root, as the container engine's host sees it
	Spawner     string           // docker, swarm or process
	Engine      engineConfig     // of workspaces, if not this machine's own
	SpawnerDoor string           // socket of the spawner process; empty: this process has the engine itself
	PeerUser    int              // who may come to that socket, beside its owner; -1 is nobody
	PeerGroup   int              // likewise
	Image       string           // notebook image of new courses
	Network     string           // bridge that workspaces are on
	Memory      int64            // bytes a workspace may use
	CPUs        float64          // cores a workspace may use
	Share       float64          // of a workspace's memory, which must be free before it starts
	Reserve     int64            // bytes of memory that no start may take
	Quota       int64            // bytes of a home; 0: as many as there are
	QuotaDriver string           // what keeps a home from holding more: none, btrfs or xfs
	MostMemory  int64            // what a course may give its workspaces, at most
	MostCPUs    float64          // likewise
	MostPIDs    int64            // likewise
	Deny        []netip.Prefix   // networks that no workspace reaches by way of the proxy
	IdleAfter   time.Duration    // an idle workspace is stopped after this; 0 is never
	Graders     int              // submissions autograded at once
	CellTime    time.Duration    // a cell of a graded submission may run so long
	GradeMemory int64            // bytes a graded submission may use
	Pool        int              // booted containers of each kind that wait; 0 is none
	Prestart    int              // workspaces started before a click, at most at once; 0 is none
	MaxAge      time.Duration    // any workspace is stopped after this; 0 is never
	KeepFigures time.Duration    // how long the counts of people and start times are kept

	Proxies   []netip.Prefix      // whose X-Forwarded-For is believed
	Providers []handlers.Provider // who may sign people in, besides local passwords
	Local     bool                // local passwords
}

// reader collects every mistake, so that an operator sees them all at once.
type reader struct {
	getenv func(string) string
	errs   []error
}

func (r *reader) text(name, def string) string {
	if file := r.getenv(name + "_FILE"); file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			r.errs = append(r.errs, fmt.Errorf("%s_FILE: %w", name, err))
		}
		return strings.TrimSpace(string(b))
	}
	if v := r.getenv(name); v != "" {
		return v
	}
	return def
}

func parse[T any](r *reader, name, def string, f func(string) (T, error)) T {
	v, err := f(r.text(name, def))
	if err != nil {
		r.errs = append(r.errs, fmt.Errorf("%s: %w", name, err))
	}
	return v
}

// parseKeep wants a day at least: less is a typing error, and would be lost.
func parseKeep(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err == nil && d < 24*time.Hour {
		err = fmt.Errorf("%s is shorter than a day", d)
	}
	return d, err
}

func readConfig(getenv func(string) string) (config, error) {
	r := &reader{getenv: getenv}
	c := config{
		Listen:      r.text("LECTERN_LISTEN", "127.0.0.1:8000"),
		SiteURL:     parse(r, "LECTERN_SITE_URL", "http://localhost:8000", parseSite),
		DatabaseURL: r.text("LECTERN_DATABASE_URL", ""),
		Data:        parse(r, "LECTERN_DATA", "data", filepath.Abs),
		Spawner:     parse(r, "LECTERN_SPAWNER", "docker", oneOf("docker", "swarm", "process")),
		Engine:      readEngine(r),
		SpawnerDoor: r.text("LECTERN_SPAWNER_SOCKET", ""),
		PeerUser:    parse(r, "LECTERN_SPAWNER_PEER_USER", "", parseUser),
		PeerGroup:   parse(r, "LECTERN_SPAWNER_PEER_GROUP", "", parseGroup),
		Image:       r.text("LECTERN_NOTEBOOK_IMAGE", "lectern/notebook:latest"),
		Network:     r.text("LECTERN_WORKSPACE_NETWORK", "lectern-workspaces"),
		Memory:      parse(r, "LECTERN_WORKSPACE_MEMORY", "1GiB", parseBytes),
		CPUs:        parse(r, "LECTERN_WORKSPACE_CPUS", "1", parseCPUs),
		Share:       parse(r, "LECTERN_MEMORY_SHARE", "0.5", parseShare),
		Reserve:     parse(r, "LECTERN_MEMORY_RESERVE", "512MiB", parseBytes),
		MostMemory:  parse(r, "LECTERN_WORKSPACE_MEMORY_MAX", "4GiB", parseBytes),
		MostCPUs:    parse(r, "LECTERN_WORKSPACE_CPUS_MAX", "4", parseCPUs),
		MostPIDs:    parse(r, "LECTERN_WORKSPACE_PIDS_MAX", "1024", parsePIDs),
		Deny:        parse(r, "LECTERN_WORKSPACE_DENY", "", parseNetworks),
		Quota:       parse(r, "LECTERN_HOME_QUOTA", "0", parseBytes),
		QuotaDriver: parse(r, "LECTERN_HOME_QUOTA_DRIVER", "none", oneOf("none", "btrfs", "xfs")),
		IdleAfter:   parse(r, "LECTERN_IDLE_AFTER", "1h", time.ParseDuration),
		Graders:     parse(r, "LECTERN_GRADERS", allCores(), parseGraders),
		CellTime:    parse(r, "LECTERN_GRADING_CELL_TIME", "30s", parseCellTime),
		GradeMemory: parse(r, "LECTERN_GRADING_MEMORY", "1GiB", parseBytes),
		MaxAge:      parse(r, "LECTERN_MAX_AGE", "24h", time.ParseDuration),
		Pool:        parse(r, "LECTERN_POOL", "2", parsePool),
		Prestart:    parse(r, "LECTERN_PRESTART", "10", parsePrestart),
		KeepFigures: parse(r, "LECTERN_KEEP_FIGURES", "4800h", parseKeep),
	}
	work, content := "http://*.work.localhost:8000", "http://*.content.localhost:8000"
	if c.SiteURL != nil {
		work = c.SiteURL.Scheme + "://*.work." + c.SiteURL.Host
		content = c.SiteURL.Scheme + "://*.content." + c.SiteURL.Host
	}
	c.Work = parse(r, "LECTERN_WORK_URL", work, handlers.ParseOrigins)
	c.Content = parse(r, "LECTERN_CONTENT_URL", content, handlers.ParseOrigins)
	c.Proxies = parse(r, "LECTERN_TRUSTED_PROXY", "", parseProxies)
	c.Providers = readProviders(r)
	c.Local = parse(r, "LECTERN_PASSWORDS", "on", oneOf("on", "off")) == "on"
	c.DataHost = r.text("LECTERN_DATA_HOST", c.Data)
	if c.QuotaDriver != "none" && c.Quota == 0 {
		r.errs = append(r.errs, fmt.Errorf("LECTERN_HOME_QUOTA_DRIVER: %s bounds homes by LECTERN_HOME_QUOTA, which is not set", c.QuotaDriver))
	}
	if c.SpawnerDoor != "" && c.Spawner == "process" {
		r.errs = append(r.errs, errors.New("LECTERN_SPAWNER_SOCKET: with LECTERN_SPAWNER=process there are no containers to keep apart from the web"))
	}
	return c, errors.Join(r.errs...)
}

func parseSite(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, err
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("%q is not of the form https://lectern.example.edu", s)
	}
	u.Path = ""
	return u, nil
}

func oneOf(allowed ...string) func(string) (string, error) {
	return func(s string) (string, error) {
		for _, a := range allowed {
			if s == a {
				return s, nil
			}
		}
		return "", fmt.Errorf("%q is not one of %s", s, strings.Join(allowed, ", "))
	}
}

func parseCPUs(s string) (float64, error) {
	var v float64
	if _, err := fmt.Sscanf(s, "%g", &v); err != nil || v <= 0 {
		return 0, fmt.Errorf("%q is not a number of cores", s)
	}
	return v, nil
}

func parseShare(s string) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v >= 0.01 && v <= 1) {
		return 0, fmt.Errorf("%q is not a share between 0.01 and 1", s)
	}
	return v, nil
}

// parseBytes reads sizes such as 512MiB or 1g.
func parseBytes(s string) (int64, error) {
	var n float64
	var unit string
	if _, err := fmt.Sscanf(s+" ", "%g%s", &n, &unit); err != nil && unit == "" {
		if _, err := fmt.Sscanf(s, "%g", &n); err != nil {
			return 0, fmt.Errorf("%q is not a size", s)
		}
	}
	shift, ok := map[string]int{"": 0, "b": 0, "k": 10, "m": 20, "g": 30, "t": 40}[strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(unit), "b"), "i")]
	if !ok || n < 0 {
		return 0, fmt.Errorf("%q is not a size", s)
	}
	return int64(n * float64(int64(1)<<shift)), nil
}
