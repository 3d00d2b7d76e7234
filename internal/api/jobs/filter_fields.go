package jobs

import (
	"bytes"
	"cmp"
	"strconv"
	"strings"
	"time"

	"go.einride.tech/aip/filtering"
	expr "google.golang.org/genproto/googleapis/api/expr/v1alpha1"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

// textFields, timeFields and numberFields are what a filter may ask for beside state,
// reason and labels. A new filter is a line here.
var (
	textFields = map[string]func(*store.Entry) string{
		"owner":         (*store.Entry).Owner,
		"service":       (*store.Entry).Service,
		"executor":      (*store.Entry).Executor,
		"output_name":   (*store.Entry).OutputName,
		"output_folder": (*store.Entry).OutputFolder,
		"parent_id":     (*store.Entry).ParentID,
		"rerun_of":      (*store.Entry).RerunOf,
		"id":            func(e *store.Entry) string { return e.ID().String() },
	}
	timeFields = map[string]func(*store.Entry) int64{
		"submit_time":   (*store.Entry).SubmitTime,
		"start_time":    (*store.Entry).StartTime,
		"complete_time": (*store.Entry).CompleteTime,
	}
	numberFields = map[string]func(*store.Entry) (int64, bool){
		"priority": func(e *store.Entry) (int64, bool) { return int64(e.Priority()), true },
		"exit_code": func(e *store.Entry) (int64, bool) {
			code, ok := e.ExitCode()
			return int64(code), ok
		},
	}
)

// isField reports whether a word is the name of a field, in whatever case.
func isField(word string) bool {
	word = strings.ToLower(word)
	return word == "state" || word == "reason" || word == "labels" || textFields[word] != nil || timeFields[word] != nil || numberFields[word] != nil
}

// isID reports whether a field has ids of jobs.
func isID(field string) bool { return field == "id" || field == "parent_id" || field == "rerun_of" }

// compileRestriction compiles `field operator value`.
func (c *compiler) compileRestriction(restriction *expr.Expr_Call) (condition, error) {
	op := restriction.GetFunction()
	if len(restriction.GetArgs()) != 2 {
		return condition{}, job.Invalid("filter", "has a function; there are none")
	}
	field, err := literal(restriction.GetArgs()[0])
	if err != nil {
		return condition{}, err
	}
	value, err := literal(restriction.GetArgs()[1])
	if err != nil {
		return condition{}, err
	}
	switch {
	case field == "state":
		return compileState(op, value)
	case field == "reason":
		return c.compileReason(op, value)
	case field == "labels" && op == filtering.FunctionHas:
		c.spend(field, costLabels)
		return condition{match: func(e *store.Entry) bool { _, ok := e.Label(value); return ok }}, nil
	case strings.HasPrefix(field, "labels."):
		c.spend(field, costLabels+job.MaxLabelValue)
		return compileLabel(strings.TrimPrefix(field, "labels."), op, value)
	case field == "service" && op == filtering.FunctionEquals && !strings.Contains(value, "*") && value != "":
		return condition{service: value}, nil
	case isID(field) && value != "" && !strings.Contains(value, "*") && (op == filtering.FunctionEquals || op == filtering.FunctionNotEquals):
		if _, err := strconv.ParseUint(value, 10, 64); err != nil {
			return condition{}, job.Invalid("filter", "compares %s with %q, which is no id of a job: ids are numbers such as 12", field, call.Short(value))
		}
		c.spend(field, textCosts[field])
		return compileText(field, op, value)
	case textFields[field] != nil:
		c.spend(field, textCosts[field])
		return compileText(field, op, value)
	case timeFields[field] != nil:
		c.spend(field, costNumber)
		return compileTime(field, op, value)
	case numberFields[field] != nil:
		c.spend(field, costNumber)
		return compileNumber(field, op, value)
	default:
		return condition{}, job.Invalid("filter", "asks for %q, which is no field; there are id, owner, service, output_name, output_folder, "+
			"executor, state, reason, submit_time, start_time, complete_time, priority, parent_id, rerun_of, exit_code and labels.KEY", call.Short(field))
	}
}

func compileState(op, value string) (condition, error) {
	n, ok := jobsv1.State_value["STATE_"+strings.TrimPrefix(strings.ToUpper(value), "STATE_")]
	if !ok || n == 0 {
		return condition{}, job.Invalid("filter", "knows no state %q; there are QUEUED, RUNNING, COMPLETED, FAILED and CANCELLED", call.Short(value))
	}
	states := []jobsv1.State{jobsv1.State(n)}
	switch op {
	case filtering.FunctionEquals, filtering.FunctionHas:
		return condition{states: states}, nil
	case filtering.FunctionNotEquals:
		var rest []jobsv1.State
		for _, s := range job.States {
			if s != states[0] {
				rest = append(rest, s)
			}
		}
		return condition{states: rest}, nil
	default:
		return condition{}, badOperator("state", "= and !=")
	}
}

func (c *compiler) compileReason(op, value string) (condition, error) {
	n, ok := jobsv1.Reason_value["REASON_"+strings.TrimPrefix(strings.ToUpper(value), "REASON_")]
	if !ok {
		return condition{}, job.Invalid("filter", "knows no reason %q", call.Short(value))
	}
	want := jobsv1.Reason(n)
	c.asked = true
	c.spend("reason", costReason)
	switch op {
	case filtering.FunctionEquals, filtering.FunctionHas:
		return condition{match: func(e *store.Entry) bool { return c.reason(e) == want }}, nil
	case filtering.FunctionNotEquals:
		return condition{match: func(e *store.Entry) bool { return c.reason(e) != want }}, nil
	default:
		return condition{}, badOperator("reason", "= and !=")
	}
}

func compileText(field, op, value string) (condition, error) {
	fits, err := textMatcher(field, op, value)
	if err != nil {
		return condition{}, err
	}
	get := textFields[field]
	return condition{match: func(e *store.Entry) bool { return fits(get(e)) }}, nil
}

func compileLabel(key, op, value string) (condition, error) {
	fits, err := textMatcher("labels."+key, op, value)
	if err != nil {
		return condition{}, err
	}
	return condition{match: func(e *store.Entry) bool {
		v, ok := e.Label(key)
		return fits(v) && (ok || op == filtering.FunctionNotEquals)
	}}, nil
}

// textMatcher compares texts: exactly, or without regard to case where the value
// has a `*` at one or both ends or the operator is `:`.
func textMatcher(field, op, value string) (func(string) bool, error) {
	var fits func(string) bool
	open, closed := strings.HasPrefix(value, "*"), strings.HasSuffix(value, "*")
	core := strings.TrimSuffix(strings.TrimPrefix(value, "*"), "*")
	switch {
	case strings.Contains(core, "*"):
		return nil, job.Invalid("filter", "has a * inside of %q; it may stand at the ends only", call.Short(value))
	case op == filtering.FunctionHas, open && closed:
		fits = containing(core)
	case open:
		fits = foldMatcher(core, bytes.HasSuffix)
	case closed:
		fits = foldMatcher(core, bytes.HasPrefix)
	default:
		fits = func(s string) bool { return s == core }
	}
	switch op {
	case filtering.FunctionEquals, filtering.FunctionHas:
		return fits, nil
	case filtering.FunctionNotEquals:
		return func(s string) bool { return !fits(s) }, nil
	default:
		return nil, badOperator(field, "=, != and :")
	}
}

func compileTime(field, op, value string) (condition, error) {
	t, err := time.Parse(time.RFC3339Nano, value)
	if err != nil {
		t, err = time.Parse(time.DateOnly, value)
	}
	if err != nil {
		return condition{}, job.Invalid("filter", `compares %s with %q, which is no time; write "2026-01-31T15:04:05Z" or "2026-01-31"`, field, call.Short(value))
	}
	holds, err := comparison(field, op)
	if err != nil {
		return condition{}, err
	}
	get, want := timeFields[field], t.UnixNano()
	return condition{match: func(e *store.Entry) bool {
		at := get(e)
		return at != 0 && holds(cmp.Compare(at, want))
	}}, nil
}

func compileNumber(field, op, value string) (condition, error) {
	want, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return condition{}, job.Invalid("filter", "compares %s with %q, which is no whole number", field, call.Short(value))
	}
	holds, err := comparison(field, op)
	if err != nil {
		return condition{}, err
	}
	get := numberFields[field]
	return condition{match: func(e *store.Entry) bool {
		n, ok := get(e)
		return ok && holds(cmp.Compare(n, want))
	}}, nil
}

// comparison turns the result of cmp.Compare into that of the operator.
func comparison(field, op string) (func(int) bool, error) {
	switch op {
	case filtering.FunctionEquals:
		return func(c int) bool { return c == 0 }, nil
	case filtering.FunctionNotEquals:
		return func(c int) bool { return c != 0 }, nil
	case filtering.FunctionLessThan:
		return func(c int) bool { return c < 0 }, nil
	case filtering.FunctionLessEquals:
		return func(c int) bool { return c <= 0 }, nil
	case filtering.FunctionGreaterThan:
		return func(c int) bool { return c > 0 }, nil
	case filtering.FunctionGreaterEquals:
		return func(c int) bool { return c >= 0 }, nil
	default:
		return nil, badOperator(field, "=, !=, <, <=, > and >=")
	}
}

// searchWord finds a bare word in what people remember of a job.
func searchWord(word string) func(*store.Entry) bool {
	word = strings.Trim(word, "*")
	has := containing(word)
	return func(e *store.Entry) bool {
		if has(e.OutputName()) || has(e.Service()) || e.ID().String() == word {
			return true
		}
		found := false
		e.Labels(func(_, value string) bool {
			found = has(value)
			return !found
		})
		return found
	}
}

func badOperator(field, ops string) error {
	return job.Invalid("filter", "can compare %s with %s only", call.Short(field), ops)
}
