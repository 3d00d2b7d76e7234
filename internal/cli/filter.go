package cli

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// plainLabel are the label keys that the filter language reads as one word.
var plainLabel = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// jobQuery is which jobs the flags of a verb ask for.
type jobQuery struct {
	states   []jobsv1.State
	services []string
	labels   []string // key=value
	since    string
	until    string
	search   string
	raw      string // in the API's own language
}

// filter puts the query into the API's filter language (AIP-160). There, OR
// binds more tightly than AND; parentheses make that visible.
func (q *jobQuery) filter(now time.Time) (string, error) {
	var terms []string
	if len(q.states) > 0 {
		terms = append(terms, anyOf("state", namesOf(q.states, stateWord)))
	}
	if len(q.services) > 0 {
		terms = append(terms, anyOf("service", namesOf(q.services, quoted)))
	}
	for _, l := range q.labels {
		key, value, ok := strings.Cut(l, "=")
		if !ok || key == "" || strings.ContainsAny(key, " \t\"'()=<>:,") {
			return "", usagef("--label %q: must be KEY=VALUE", l)
		}
		if !plainLabel.MatchString(key) {
			key = quoted(key)
		}
		terms = append(terms, "labels."+key+" = "+quoted(value))
	}
	for _, b := range []struct{ flag, value, operator string }{{"--since", q.since, ">="}, {"--until", q.until, "<"}} {
		if b.value == "" {
			continue
		}
		t, err := parseTime(b.value, now)
		if err != nil {
			return "", usagef("%s: %v", b.flag, err)
		}
		terms = append(terms, "submit_time "+b.operator+" "+quoted(t.UTC().Format(time.RFC3339Nano)))
	}
	if q.search != "" {
		terms = append(terms, quoted(q.search))
	}
	if q.raw != "" {
		terms = append(terms, "("+q.raw+")")
	}
	if len(terms) == 1 && q.raw != "" {
		return q.raw, nil
	}
	return strings.Join(terms, " AND "), nil
}

func anyOf(field string, values []string) string {
	terms := namesOf(values, func(v string) string { return field + " = " + v })
	if len(terms) == 1 {
		return terms[0]
	}
	return "(" + strings.Join(terms, " OR ") + ")"
}

// quoted is a text as a string of the filter language.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// parseStates reads names of states in any case, several separated by commas.
func parseStates(words []string) ([]jobsv1.State, error) {
	var states []jobsv1.State
	for word := range strings.SplitSeq(strings.Join(words, ","), ",") {
		name := strings.ToUpper(strings.TrimSpace(word))
		if name == "" {
			continue
		}
		n, ok := jobsv1.State_value["STATE_"+name]
		if !ok || n == 0 {
			return nil, usagef("--state %q: must be one of %s", word, strings.Join(stateNames(), ", "))
		}
		states = append(states, jobsv1.State(n))
	}
	return states, nil
}

// stateNames are the names of all states, in the order of a job's life.
func stateNames() []string {
	var names []string
	for n := range int32(len(jobsv1.State_name)) {
		if n > 0 {
			names = append(names, strings.ToLower(stateWord(jobsv1.State(n))))
		}
	}
	return names
}
