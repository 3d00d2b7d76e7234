package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// mostIDs is the most ids in one call of the API.
const mostIDs = 1000

func newGetCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "get ID...",
		Short: "Show all of a job: why it is in its state, its attempts, its parameters",
		Example: `  stint get 12
  stint get 12 -o json | jq .parameters
  stint get $(stint list --state failed -o name)`,
		Args:              arguments(1, -1),
		ValidArgsFunction: a.completeWith(a.completeJobs()),
	}
	f := addFormat(cmd)
	cmd.RunE = a.verb(func(ctx context.Context, ids []string) error {
		jobs, missing, err := a.getJobs(ctx, ids)
		if err != nil {
			return err
		}
		err = a.show(*f, answer{
			messages: messagesOf(jobs), list: len(ids) > 1,
			names: namesOf(jobs, (*jobsv1.Job).GetId),
			table: func() error {
				for i, j := range jobs {
					if i > 0 {
						fmt.Fprintln(a.out)
					}
					a.printJob(j)
				}
				return nil
			},
		})
		if err == nil && len(missing) > 0 {
			err = fmt.Errorf("no such job, or not yours: %s", strings.Join(missing, ", "))
		}
		return err
	})
	return cmd
}

// getJob asks for one job in full.
func (a *app) getJob(ctx context.Context, id string) (*jobsv1.Job, error) {
	client, err := a.jobs()
	if err != nil {
		return nil, err
	}
	var res *jobsv1.GetResponse
	err = a.call(ctx, func(ctx context.Context) error {
		res, err = client.Get(ctx, &jobsv1.GetRequest{Id: id})
		return err
	})
	return res.GetJob(), err
}

// getJobs asks for jobs in full and answers apart which do not exist. One
// that does not exist alone is the server's own error.
func (a *app) getJobs(ctx context.Context, ids []string) (jobs []*jobsv1.Job, missing []string, err error) {
	if len(ids) == 1 {
		j, err := a.getJob(ctx, ids[0])
		return []*jobsv1.Job{j}, nil, err
	}
	client, err := a.jobs()
	if err != nil {
		return nil, nil, err
	}
	for chunk := range slices.Chunk(ids, mostFullJobs) {
		var res *jobsv1.BatchGetResponse
		err := a.call(ctx, func(ctx context.Context) error {
			res, err = client.BatchGet(ctx, &jobsv1.BatchGetRequest{Ids: chunk, View: jobsv1.JobView_JOB_VIEW_FULL})
			return err
		})
		if err != nil {
			return nil, nil, err
		}
		jobs, missing = append(jobs, res.GetJobs()...), append(missing, res.GetMissingIds()...)
	}
	return jobs, missing, nil
}

// printJob describes a job. Facts come first, then parameters, attempts and history.
func (a *app) printJob(j *jobsv1.Job) {
	a.printFacts(a.jobFacts(j))
	if fields := j.GetParameters().GetFields(); len(fields) > 0 {
		g := &grid{columns: []column{{title: "PARAMETER"}, {title: "VALUE", least: 20, wrap: true}}}
		for _, name := range sortedKeys(fields) {
			text, err := compactJSON(fields[name])
			if err != nil {
				text = []byte("?")
			}
			g.add(name, string(text))
		}
		a.section(g)
	}
	if len(j.GetAttempts()) > 0 {
		a.section(a.attemptGrid(j.GetAttempts()))
		if g := givenGrid(j.GetAttempts()); g != nil {
			a.section(g)
		}
	}
	if len(j.GetHistory()) > 0 {
		g := &grid{columns: []column{
			{title: "TIME"},
			{title: "STATE", color: stateColor},
			{title: "REASON", drop: 1},
			{title: "ATTEMPT", drop: 2, right: a.screen.tty},
			{title: "MESSAGE", least: 12, wrap: true},
		}}
		for _, c := range j.GetHistory() {
			g.add(a.screen.timeExact(c.GetTime()), stateWord(c.GetState()), reasonWord(c.GetReason()), number(c.GetAttempt()), c.GetMessage())
		}
		a.section(g)
	}
}

// section prints a grid after an empty line.
func (a *app) section(g *grid) {
	fmt.Fprintln(a.out)
	g.print(a.out, a.screen)
}

func (a *app) jobFacts(j *jobsv1.Job) []fact {
	state := stateWord(j.GetState())
	if r := reasonWord(j.GetReason()); r != "" {
		state += " (" + r + ")"
	}
	facts := []fact{
		{"Job", j.GetId()},
		{"Service", j.GetService()},
		{"Output name", j.GetOutputName()},
		{"Output folder", j.GetOutputFolder()},
		{"Owner", j.GetOwner()},
		{"State", state},
		{"Message", j.GetMessage()},
		{"Engine says", j.GetEngineState()},
		{"Progress", progressWords(j.GetProgress())},
		{"Submitted", a.screen.timeExact(j.GetSubmitTime())},
		{"Before it", positionWords(j.GetQueuePosition())},
		{"Expected start", a.expectedWords(j.GetExpectedStartTime(), j.GetExpectedStartRange())},
		{"Expected end", a.expectedWords(j.GetExpectedCompleteTime(), j.GetExpectedCompleteRange())},
		{"Not known", j.GetExpectationNote()},
		{"Started", a.screen.timeExact(j.GetStartTime())},
		{"Completed", a.screen.timeExact(j.GetCompleteTime())},
		{"Elapsed", elapsed(j, time.Now())},
		{"Asks for", resourceWords(j.GetResources())},
		{"By advice", appliedWords(j.GetAppliedAdvice())},
		{"Used", j.GetUsageNote()},
		{"Inputs", j.GetInputNote()},
		{"GPUs given", gpuWords(j.GetAttempts())},
		{"Executor", j.GetExecutor()},
		{"Priority", number(j.GetPriority())},
		{"Labels", labelWords(j.GetLabels())},
		{"Submitted by", submitterWords(j)},
		{"Rerun of", j.GetRerunOf()},
		{"Parent", j.GetParentId()},
		{"Results in", j.GetResultFolder()},
	}
	switch {
	case j.GetKeepTime() != nil:
		facts = append(facts, fact{"Kept", fmt.Sprintf("since %s, %s of the quota", a.screen.timeExact(j.GetKeepTime()), humanBytes(j.GetKeptBytes()))})
	case j.GetExpireTime() != nil:
		facts = append(facts, fact{"Deleted", fmt.Sprintf("%s, at %s; keep it with: stint keep %s", endsIn(j, time.Now()), a.screen.timeExact(j.GetExpireTime()), j.GetId())})
	}
	if j.ExitCode != nil {
		facts = append(facts, fact{"Exit code", strconv.Itoa(int(j.GetExitCode()))})
	}
	if j.GetCancelTime() != nil {
		words := a.screen.timeExact(j.GetCancelTime()) + " by " + j.GetCancelledBy()
		if j.GetCancelReason() != "" {
			words += ": " + j.GetCancelReason()
		}
		facts = append(facts, fact{"Cancel asked", words})
	}
	return facts
}

// submitterWords say who submitted a job for its owner, and why.
func submitterWords(j *jobsv1.Job) string {
	if j.GetSubmitReason() == "" {
		return j.GetSubmittedBy()
	}
	return j.GetSubmittedBy() + ": " + j.GetSubmitReason()
}

// gpuWords are the indexes of the graphics processors that the latest attempt was given.
func gpuWords(attempts []*jobsv1.Attempt) string {
	if len(attempts) == 0 {
		return ""
	}
	var words []string
	for _, i := range attempts[len(attempts)-1].GetGpuIndexes() {
		words = append(words, strconv.Itoa(int(i)))
	}
	return strings.Join(words, ", ")
}

func (a *app) attemptGrid(attempts []*jobsv1.Attempt) *grid {
	g := &grid{columns: []column{
		{title: "ATTEMPT", right: a.screen.tty},
		{title: "EXECUTOR"},
		{title: "ENGINE ID", least: 8, drop: 5},
		{title: "NODE", least: 8, drop: 2},
		{title: "STARTED", drop: 6},
		{title: "ENDED", drop: 7},
		{title: "EXIT", right: a.screen.tty},
		{title: "SIGNAL", drop: 8, right: a.screen.tty},
		{title: "REASON", least: 10},
		{title: "MEMORY USED", drop: 3, right: a.screen.tty},
		{title: "CPU TIME", drop: 4, right: a.screen.tty},
		{title: "ELAPSED", drop: 1, right: a.screen.tty},
	}}
	for _, t := range attempts {
		exit, memory := "", ""
		if t.ExitCode != nil {
			exit = strconv.Itoa(int(t.GetExitCode()))
		}
		if n := t.GetUsage().GetMaxRssBytes(); n > 0 {
			memory = a.screen.bytes(n)
		}
		g.add(number(t.GetNumber()), t.GetExecutor(), t.GetEngineId(), t.GetNode(),
			a.screen.timeExact(t.GetStartTime()), a.screen.timeExact(t.GetCompleteTime()), exit, number(t.GetSignal()),
			reasonWord(t.GetReason()), memory, humanDurationOf(t.GetUsage().GetCpuTime()), humanDurationOf(t.GetUsage().GetElapsed()))
	}
	return g
}

// number is empty for 0.
func number(n int32) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(int(n))
}

func labelWords(labels map[string]string) string {
	return strings.Join(namesOf(sortedKeys(labels), func(k string) string { return k + "=" + labels[k] }), " ")
}
