// Command lectern is the whole program: it reads the configuration, wires the
// rooms together, and runs until it is told to stop. It holds no rules.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // zones must not depend on the machine

	"github.com/alecthomas/kong"
)

type cli struct {
	Serve     serveCmd     `cmd:"" help:"Serve a site. Configured by the environment; see docs/operating.md."`
	Demo      demoCmd      `cmd:"" help:"Serve a site with a demo course, a private database and no configuration."`
	Spawner   spawnerCmd   `cmd:"" help:"Command the container engine for a Lectern that has no right to."`
	User      userCmd      `cmd:"" help:"Accounts, from the command line."`
	Course    courseCmd    `cmd:"" help:"Move whole courses in and out."`
	Autograde autogradeCmd `cmd:"" help:"Grade submissions in folders, without a server."`
	Notebook  notebookCmd  `cmd:"" help:"Notebooks from the command line: check, release, validate, render."`
	Certs     certsCmd     `cmd:"" help:"Certificates for container engines on other machines; see docs/swarm.md."`
	Migrate   migrateCmd   `cmd:"" help:"Bring the database's schema up to date and end."`
}

// env is what a command gets to work with.
type env struct {
	ctx    context.Context
	stdout io.Writer
	stderr io.Writer
	getenv func(string) string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c cli
	k := kong.Parse(&c, kong.Name("lectern"), kong.Description("One program that a university class lives in."), kong.UsageOnError())
	e := &env{ctx: ctx, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv}
	libraryLog(e.logger())
	err := k.Run(e)
	if err != nil {
		fmt.Fprintln(os.Stderr, "lectern:", err)
		os.Exit(1)
	}
}

// libraryLog makes what the standard library logs by itself, such as four kilobytes
// of what a workspace sent without being asked, a matter of debugging.
func libraryLog(l *slog.Logger) {
	slog.SetLogLoggerLevel(slog.LevelDebug)
	slog.SetDefault(l)
}

// logger writes what an operator reads: text to a terminal, JSON otherwise.
func (e *env) logger() *slog.Logger {
	opts := &slog.HandlerOptions{Level: slog.LevelInfo}
	if e.getenv("LECTERN_LOG") == "debug" {
		opts.Level = slog.LevelDebug
	}
	if f, ok := e.stderr.(*os.File); ok {
		if st, err := f.Stat(); err == nil && st.Mode()&os.ModeCharDevice != 0 {
			return slog.New(slog.NewTextHandler(e.stderr, opts))
		}
	}
	return slog.New(slog.NewJSONHandler(e.stderr, opts))
}
