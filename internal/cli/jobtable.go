package cli

import (
	"fmt"
	"slices"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// stateColor gives the colour of a cell that begins with a state's name.
func stateColor(cell string) string {
	switch {
	case hasWord(cell, "COMPLETED"):
		return green
	case hasWord(cell, "FAILED"):
		return red
	case hasWord(cell, "RUNNING"):
		return blue
	case hasWord(cell, "CANCELLED"):
		return yellow
	default:
		return ""
	}
}

func hasWord(cell, word string) bool { return len(cell) >= len(word) && cell[:len(word)] == word }

// jobGrid shows jobs as `stint list` does: the columns of a Job Status page.
// owners says whether several owners' jobs may be among them.
func (a *app) jobGrid(jobs []*jobsv1.Job, owners bool) *grid {
	g := &grid{columns: []column{
		{title: "ID", right: a.screen.tty},
		{title: "STATE", color: stateColor},
		{title: "REASON", least: 10, drop: 3},
		{title: "SERVICE", least: 8},
		{title: "OUTPUT NAME", least: 10},
		{title: "OWNER", least: 6, drop: 2},
		{title: "SUBMITTED", drop: 1},
		{title: "STARTED", drop: 5},
		{title: "COMPLETED", drop: 4},
		{title: "ELAPSED", drop: 6, right: a.screen.tty},
		{title: "AHEAD", drop: 7, right: a.screen.tty},
		{title: "EXPECTED", drop: 8},
		{title: "ENDS", drop: 9, color: func(string) string { return yellow }},
	}}
	now := time.Now()
	for _, j := range jobs {
		state := stateWord(j.GetState())
		if a.screen.tty && j.GetState() == jobsv1.State_STATE_RUNNING && j.GetProgress() != nil && j.GetProgress().Percent != nil {
			state += fmt.Sprintf(" %d%%", j.GetProgress().GetPercent())
		}
		g.add(j.GetId(), state, reasonWord(j.GetReason()), j.GetService(), j.GetOutputName(), j.GetOwner(),
			a.screen.time(j.GetSubmitTime()), a.screen.time(j.GetStartTime()), a.screen.time(j.GetCompleteTime()), elapsed(j, time.Now()),
			aheadWord(j.GetQueuePosition()), expectedCell(a.screen, j), endsCell(a.screen, j, now))
	}
	if a.screen.tty && !slices.ContainsFunc(jobs, func(j *jobsv1.Job) bool { return endsCell(a.screen, j, now) != "" }) {
		g.remove(12)
	}
	if a.screen.tty && !slices.ContainsFunc(jobs, isExpected) {
		g.remove(11)
		g.remove(10)
	}
	if a.screen.tty && !owners {
		g.remove(5)
	}
	return g
}

// remove takes a column out.
func (g *grid) remove(column int) {
	g.columns = append(g.columns[:column], g.columns[column+1:]...)
	for i, row := range g.rows {
		g.rows[i] = append(row[:column], row[column+1:]...)
	}
}

// elapsed is how long the command of a job runs or ran.
func elapsed(j *jobsv1.Job, now time.Time) string {
	if j.GetStartTime() == nil {
		return ""
	}
	end := now
	if j.GetCompleteTime() != nil {
		end = j.GetCompleteTime().AsTime()
	}
	return humanDuration(max(0, end.Sub(j.GetStartTime().AsTime())))
}
