package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/stint-jobs/stint/bench/rig"
)

// report is what a run found, and under which conditions.
type report struct {
	rig.Machine
	Command  string   `json:"command"`
	Rounds   int      `json:"rounds"`
	Duration string   `json:"side_in_a_round"`
	Jobs     int      `json:"stored_jobs"`
	Conns    int      `json:"connections"`
	Results  []result `json:"results"`
}

func newReport(o options, dir string) *report {
	return &report{
		Machine: rig.NewMachine(o.stintd, dir), Command: o.command,
		Rounds: o.rounds, Duration: o.duration.String(), Jobs: o.jobs, Conns: o.conns,
	}
}

// add takes the results of the rows that were asked for.
func (r *report) add(o options, results []result) {
	for _, x := range results {
		if o.rows == "" || slices.Contains(strings.Split(o.rows, ","), x.Row) {
			x.Command, x.Reaches = alone(o, x.Row), x.verdict()
			r.Results = append(r.Results, x)
		}
	}
}

// alone is the command that measures a row alone, under the same conditions.
func alone(o options, row string) string {
	c := "go run ./bench -row " + row
	if o.quick {
		c += " -quick"
	}
	return c + fmt.Sprintf(" -rounds %d -time %s -jobs %d -conns %d", o.rounds, o.duration, o.jobs, o.conns)
}

// end notes when it was over, and puts the rows into the order of the table.
func (r *report) end() {
	r.Done()
	place := func(row string) int {
		n, err := strconv.Atoi(strings.TrimRight(row, "ab"))
		if err != nil {
			return 0
		}
		return n
	}
	slices.SortStableFunc(r.Results, func(a, b result) int { return place(a.Row) - place(b.Row) })
}

func (r *report) conditions() []string {
	c := append(r.Lines(),
		fmt.Sprintf("%d rounds, %s a side in each; %d stored jobs where many are; connections a server: %d; client and servers on the same machine", r.Rounds, r.Duration, r.Jobs, r.Conns),
		"lists are warm: the first call with a filter, for which the store looks at all jobs, is not among those counted",
	)
	if slices.ContainsFunc(r.Results, result.beatsLimit) {
		c = append(c, "rows that are \"disturbed\" seem to do better than their own limit, which cannot be: they tell nothing")
	}
	if r.Jobs < targetJobs {
		c = append(c, fmt.Sprintf("the targets of rows 5 to 12 are for %d stored jobs: with fewer, what they reach says little", targetJobs))
	}
	return c
}

// targetJobs is how many stored jobs the targets are about.
const targetJobs = 1_000_000

// print writes the report as text.
func (r *report) print(w io.Writer) {
	fmt.Fprintln(w, strings.Join(r.conditions(), "\n"))
	for _, x := range r.Results {
		fmt.Fprintf(w, "\n%s. %s\n   ratio %s (rounds: median %s, %s to %s); gate %s, stretch %s: %s\n   %s\n", x.Row, x.Measure,
			rig.Number(x.Ratio), rig.Number(x.Rounds.Median), rig.Number(x.Rounds.Min), rig.Number(x.Rounds.Max), x.goal(x.Gate), x.goal(x.Stretch), x.verdict(), x.Command)
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, f := range x.Sides {
			fmt.Fprintf(t, "   %s\t%s %s\t(%s to %s)\n", f.Name, rig.Number(f.Median), f.Unit, rig.Number(f.Min), rig.Number(f.Max))
		}
		_ = t.Flush()
	}
}

func (r result) goal(g float64) string {
	if g == none {
		return "none"
	}
	if r.AtMost {
		return "<= " + rig.Number(g)
	}
	return ">= " + rig.Number(g)
}

// write makes RESULTS.md and results.json anew.
func (r *report) write(dir string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "results.json"), append(b, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "RESULTS.md"), []byte(r.markdown()), 0o644)
}

func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Results\n\nMade by this command; every row can be measured alone by the command beside it:\n\n    %s -write\n\n", strings.TrimSuffix(r.Command, " -write"))
	for _, c := range r.conditions() {
		fmt.Fprintf(&b, "- %s\n", c)
	}
	b.WriteString("\nA ratio is that of the medians of the two sides, measured in turns in the same run; its range is that of single rounds.\n")
	b.WriteString("\n| # | measure | ratio | rounds | gate | stretch | |\n|---|---|---|---|---|---|---|\n")
	for _, x := range r.Results {
		fmt.Fprintf(&b, "| %s | %s | %s | %s to %s | %s | %s | %s |\n", x.Row, x.Measure, rig.Number(x.Ratio), rig.Number(x.Rounds.Min), rig.Number(x.Rounds.Max), x.goal(x.Gate), x.goal(x.Stretch), x.verdict())
	}
	for _, x := range r.Results {
		fmt.Fprintf(&b, "\n## %s. %s\n\n    %s\n\n| | median | min | max | |\n|---|---|---|---|---|\n", x.Row, x.Measure, x.Command)
		for _, f := range x.Sides {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", f.Name, rig.Number(f.Median), rig.Number(f.Min), rig.Number(f.Max), f.Unit)
		}
	}
	return b.String()
}
