package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/stint-jobs/stint/bench/rig"
)

// report is what was found, and under which conditions.
type report struct {
	rig.Machine
	Command  string            `json:"command"`
	Rounds   int               `json:"rounds"`
	Duration string            `json:"time_of_each_in_a_round"`
	Versions map[string]string `json:"versions"`
	Lines    []line            `json:"lines"`

	lab   *lab
	peers []contender
}

// line is what everybody did of one kind of work. Who lacks it is not there.
type line struct {
	Work  string             `json:"work"`
	Peers map[string]figures `json:"peers"`
}

// figures are medians of the rounds, with the least and the most.
type figures struct {
	// Rate is of jobs, or of calls that read, a second.
	Rate rig.Spread `json:"per_second"`
	// P50 is of a call.
	P50 rig.Spread `json:"p50_us"`
	// CPU is the processor time of the peer's processes, a job or a call that reads.
	CPU rig.Spread `json:"cpu_us"`
}

func newReport(l *lab) *report {
	return &report{
		Machine: rig.NewMachine(l.stintd(), l.dir), Command: l.command,
		Rounds: l.rounds, Duration: l.duration.String(), Versions: make(map[string]string), lab: l,
	}
}

// print writes the report to the terminal, and to the files where that was asked for.
func (r *report) print() error {
	r.Done()
	for _, c := range r.peers {
		r.Versions[c.name] = c.version(r.lab)
	}
	if err := r.write(os.Stdout); err != nil || !r.lab.write {
		return err
	}
	f, err := os.Create(filepath.Join(r.lab.root, "bench", "PEERS.md"))
	if err != nil {
		return err
	}
	if err := errors.Join(r.write(f), f.Close()); err != nil {
		return err
	}
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.lab.root, "bench", "peers.json"), append(data, '\n'), 0o644) //nolint:gosec // results are for everybody
}

func (r *report) write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# stintd beside its peers\n\n    %s\n\n%s\n\n", r.Command, strings.Join(r.Machine.Lines(), "; "))
	fmt.Fprintf(&b, "Clients and servers share the machine; %d rounds in turns, %s each. ", r.Rounds, r.Duration)
	b.WriteString("All store a job of some 600 bytes and answer when it is on the disk. Jobs, or calls that read, a second: median (least to most of the rounds); ")
	b.WriteString("then the median time of a call, and the processor time of the peer's processes a job or a call that reads. The most of each line is bold.\n\n")
	fmt.Fprintf(&b, "| |%s\n|---|%s\n", cells(r.peers, func(c contender) string { return c.name }), strings.Repeat("---|", len(r.peers)))
	for _, ln := range r.Lines {
		fmt.Fprintf(&b, "| %s |%s\n", ln.Work, cells(r.peers, func(c contender) string { return ln.cell(c.name) }))
	}
	b.WriteString("\n| peer | version | what it does |\n|---|---|---|\n")
	for _, c := range r.peers {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", c.name, r.Versions[c.name], c.how)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func cells(peers []contender, of func(contender) string) string {
	var b strings.Builder
	for _, c := range peers {
		b.WriteString(" " + of(c) + " |")
	}
	return b.String()
}

func (ln line) cell(name string) string {
	f, ok := ln.Peers[name]
	if !ok {
		return "no such call"
	}
	rate := rig.Number(f.Rate.Median)
	if name == ln.most() {
		rate = "**" + rate + "**"
	}
	return fmt.Sprintf("%s (%s to %s); %s us; %s us CPU", rate, rig.Number(f.Rate.Min), rig.Number(f.Rate.Max), rig.Number(f.P50.Median), rig.Number(f.CPU.Median))
}

// most is who did the most.
func (ln line) most() (name string) {
	for n, f := range ln.Peers {
		if best, ok := ln.Peers[name]; !ok || f.Rate.Median > best.Rate.Median {
			name = n
		}
	}
	return name
}
