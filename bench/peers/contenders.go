package main

import (
	"os/exec"
	"runtime/debug"
	"strings"
)

var contenders = []contender{
	{
		name: "stintd", start: startStint, version: func(l *lab) string { return said(l.stintd(), "--version") },
		how: "`Submit`, `BatchSubmit`, `Get` and `List` with `state = \"queued\"` and the exact total, over gRPC with a token on one connection; each commit is synced to the log",
	},
	{
		name: "River", start: startRiver, version: func(*lab) string { return module("riverqueue/river") + ", " + said(programOf("postgres"), "--version") },
		how: "`Insert`, `InsertManyFast`, `JobGet` and `JobList` of what is available, on a PostgreSQL with `fsync` and `synchronous_commit` on, by 32 connections to its socket",
	},
	{
		name: "asynq", start: startAsynq, version: func(*lab) string { return module("hibiken/asynq") + ", " + said("redis-server", "--version") },
		how: "`Enqueue`, `GetTaskInfo` and `ListPendingTasks`, on a redis with `appendfsync always`, by its socket; it has no call for a batch",
	},
	{
		name: "JetStream", start: startJetStream, version: func(*lab) string { return module("nats-io/nats-server/v2") },
		how: "`Publish`, 100 of `PublishAsync` and the wait for them, and `GetMsg`, on a NATS server whose file store syncs always; a stream has no pages to list",
	},
}

func names() []string {
	all := make([]string, len(contenders))
	for i, c := range contenders {
		all[i] = c.name
	}
	return all
}

// programOf is a program of PostgreSQL, or its name where it is not there.
func programOf(name string) string {
	path, err := postgresProgram(name)
	if err != nil {
		return name
	}
	return path
}

// said is what a program answers, on one line.
func said(program string, args ...string) string {
	out, err := exec.Command(program, args...).Output() //nolint:noctx // it prints a line
	if err != nil {
		return "version unknown"
	}
	return strings.TrimSpace(string(out))
}

// module is the version of a library in this program.
func module(path string) string {
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, d := range info.Deps {
			if d.Path == "github.com/"+path {
				return d.Path + " " + d.Version
			}
		}
	}
	return path
}
