package cli

import (
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// adviceFacts say what completed jobs like one that was checked used, and so what it should ask for.
func adviceFacts(a *jobsv1.Advice) []fact {
	if a == nil {
		return nil
	}
	words := adviceWords(a)
	if words == "" {
		words = "nothing"
	} else {
		words += ", by " + plural(int64(a.GetSamples()), "completed job") + " like it"
	}
	facts := []fact{{"Advised", words}}
	if d := a.GetMedianElapsed(); d != nil {
		facts = append(facts, fact{"Such jobs took", "half of them at most " + humanDurationOf(d)})
	}
	return append(facts, fact{"On the advice", a.GetNote()})
}

// adviceWords is what an advice advises; empty where it advises nothing.
func adviceWords(a *jobsv1.Advice) string {
	return resourceWords(&jobsv1.Resources{MemoryBytes: a.GetMemoryBytes(), TimeLimit: a.GetTimeLimit()})
}

// appliedWords says what of a job's resources was taken from advice.
func appliedWords(a *jobsv1.Advice) string {
	if a == nil {
		return ""
	}
	return adviceWords(a) + ", by " + plural(int64(a.GetSamples()), "completed job") + " like it"
}

// givenGrid has the attempts that were not given simply what the job asks for; nil where there are none.
func givenGrid(attempts []*jobsv1.Attempt) *grid {
	g := &grid{columns: []column{{title: "ATTEMPT"}, {title: "GIVEN", least: 12, wrap: true}, {title: "WHY", least: 20, wrap: true}}}
	for _, t := range attempts {
		if t.GetResourcesNote() != "" {
			g.add(number(t.GetNumber()), resourceWords(t.GetResources()), t.GetResourcesNote())
		}
	}
	if len(g.rows) == 0 {
		return nil
	}
	return g
}

// factors are how many times what a failed attempt had the next one gets.
type factors struct {
	memory, time float64
	cmd          *cobra.Command
}

func (f *factors) add(cmd *cobra.Command) {
	f.cmd = cmd
	flags := cmd.Flags()
	flags.Float64Var(&f.memory, "memory-factor", 0, "after OUT_OF_MEMORY try again with so many `TIMES` the memory, from 1 to 10")
	flags.Float64Var(&f.time, "time-factor", 0, "after TIME_LIMIT try again with so many `TIMES` the time limit, from 1 to 10")
}

// policy is nil where no factor was given.
func (f *factors) policy() *jobsv1.RetryPolicy {
	p := &jobsv1.RetryPolicy{}
	if f.cmd.Flags().Changed("memory-factor") {
		p.MemoryFactor = proto.Float64(f.memory)
	}
	if f.cmd.Flags().Changed("time-factor") {
		p.TimeFactor = proto.Float64(f.time)
	}
	if p.MemoryFactor == nil && p.TimeFactor == nil {
		return nil
	}
	return p
}

// serviceBounds says what a service does with what jobs leave out, and the most that they may ask for.
func serviceBounds(takesAdvice bool, most *jobsv1.Resources) string {
	var words []string
	if takesAdvice {
		words = append(words, "memory and time limit by advice, once there is any")
	}
	var bounds []string
	if n := most.GetMemoryBytes(); n > 0 {
		bounds = append(bounds, humanBytes(n)+" of memory")
	}
	if d := most.GetTimeLimit(); d != nil {
		bounds = append(bounds, "a time limit of "+humanDurationOf(d))
	}
	if len(bounds) > 0 {
		words = append(words, "a job may have up to "+strings.Join(bounds, " and "))
	}
	return strings.Join(words, "; ")
}
