package main

import (
	"context"

	"github.com/stint-jobs/stint/bench/rig"
)

// experiment measures one or more rows from the same rounds.
type experiment struct {
	rows []string
	run  func(ctx context.Context, l *lab) ([]result, error)
}

// experiments are those that there are.
func experiments() []experiment {
	return []experiment{
		{[]string{"1", "4", "20"}, submitMany},
		{[]string{"2"}, submitFew},
		{[]string{"3"}, submitOne},
		{[]string{"5"}, getMany},
		{[]string{"6", "7a", "7b"}, lists},
		{[]string{"8"}, fanOut},
		{[]string{"9"}, besideIdle},
		{[]string{"10"}, memoryOfWatchers},
		{[]string{"11", "12"}, sizes},
		{[]string{"13"}, starts},
		{[]string{"14"}, coldStarts},
		{[]string{"15"}, lives},
		{[]string{"16"}, firstRunning},
		{[]string{"17"}, manyLocal},
		{[]string{"18"}, polls},
		{[]string{"19"}, seenFromSlurm},
		{[]string{"21a", "21b", "21c"}, decisions},
		{[]string{"22"}, besideFilter},
	}
}

// target is what a row should reach.
type target struct {
	measure       string
	gate, stretch float64 // stretch may be none
	atMost        bool    // the figure should be low
}

// none marks a row without a stretch goal: users would not notice more than the gate asks for.
const none = 0

// targets are the rows of the table that can be measured here.
func targets() map[string]target {
	return map[string]target{
		"1":   {"durable Submit at 256 callers / empty gRPC echo at 256", 0.65, 0.8, false},
		"2":   {"durable Submit at 16 / echo at 16", 0.33, 0.5, false},
		"3":   {"Submit p50 at 1 caller / (echo p50 + bare bbolt one-record commit p50)", 2.8, 1.6, true},
		"4":   {"BatchSubmit(100) jobs/s at 16 / Submit at 256", 3, 5, false},
		"5":   {"Get at 256 / echo at 256, many jobs stored", 0.75, 0.9, false},
		"6":   {"List page of 50 with total, p50 at many jobs / Get p50", 4, 2, true},
		"7a":  {"List p50 at many jobs / at 10,000 jobs", 1.3, 1.1, true},
		"7b":  {"slowest hot-field filter p50 / unfiltered, at many jobs", 4, 2, true},
		"8":   {"fan-out of a change to many watchers, messages/s / direct Send", 0.5, 0.65, false},
		"9":   {"Submit at 256 with many idle watchers / without", 0.8, none, false},
		"10":  {"anonymous memory per idle gRPC watcher / a bare stream", 2.5, none, true},
		"11":  {"anonymous memory per stored job, bytes, above that of an empty server", 320, none, true},
		"12":  {"database file per job / its marshalled size", 2, 1.5, true},
		"13":  {"warm start with many jobs / header-only read of the same file", 3.5, 2, true},
		"14":  {"cold start with many jobs / reading the file once", 3, 1.5, true},
		"15":  {"whole lives (submit, start, two observations, end), jobs/s / Submit at 256", 0.2, 0.3, false},
		"16":  {"Submit to first RUNNING seen by a watcher, local, p50 / fork+exec+wait of the same command", 10, none, true},
		"17":  {"empty jobs/s through the local executor / xargs -P running the same", 0.08, none, false},
		"18":  {"Slurm commands a minute with many active jobs / with 50", 1.1, 1, true},
		"19":  {"from a command's begin or end on Slurm to a watcher, p50 / poll interval", 1, 0.25, true},
		"20":  {"server CPU per Submit at 256 / per echo", 2, 1.3, true},
		"21a": {"milliseconds to decide a start with 100,000 waiting jobs of 1,000 owners", 1, 0.2, true},
		"21b": {"the same with 100,000 of one owner / of 1,000 owners", 2, none, true},
		"21c": {"a job that leaves a queue of 100,000, all of which do / of 10,000", 3, none, true},
		"22":  {"others' Submit p99 beside the costliest filter that is accepted / without", 2, 1.2, true},
	}
}

// result is a row as it was measured.
type result struct {
	Row     string  `json:"row"`
	Measure string  `json:"measure"`
	Gate    float64 `json:"gate"`
	Stretch float64 `json:"stretch"`
	AtMost  bool    `json:"at_most"`
	// Ratio is that of the two medians, Rounds the spread of the ratios of single rounds.
	Ratio  float64    `json:"ratio"`
	Rounds rig.Spread `json:"rounds"`
	// Sides are the figures that the ratio is of and others of the same rounds.
	Sides []figure `json:"sides"`
	// Reaches is stretch, gate, missed or disturbed.
	Reaches string `json:"reaches"`
	// Command measures the row alone.
	Command string `json:"command"`
}

// figure is one figure of one side.
type figure struct {
	Name string `json:"name"`
	Unit string `json:"unit"`
	rig.Spread
}

func figureOf(name, unit string, s rig.Series) figure { return figure{name, unit, s.Spread()} }

// ratio makes the row of a target.
func ratio(row string, ours, limit rig.Series, sides ...figure) result {
	t := targets()[row]
	return result{
		Row: row, Measure: t.measure, Gate: t.gate, Stretch: t.stretch, AtMost: t.atMost,
		Ratio: ours.Median() / limit.Median(), Rounds: ours.Over(limit).Spread(), Sides: sides,
	}
}

// beatsLimit reports whether the row says that stintd does its work in less than a
// part of that work takes. That cannot be: the rounds were disturbed, and the row tells nothing.
func (r result) beatsLimit() bool {
	switch r.Row {
	case "1", "2", "5":
		return r.Ratio > 1
	case "3", "12", "20":
		return r.Ratio < 1
	default:
		return false
	}
}

// verdict says in a word what was reached.
func (r result) verdict() string {
	reaches := func(goal float64) bool {
		if r.AtMost {
			return r.Ratio <= goal
		}
		return r.Ratio >= goal
	}
	switch {
	case r.beatsLimit():
		return "disturbed"
	case r.Stretch != none && reaches(r.Stretch):
		return "stretch"
	case reaches(r.Gate):
		return "gate"
	default:
		return "missed"
	}
}
