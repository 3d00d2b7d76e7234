package jobs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.einride.tech/aip/filtering"
	expr "google.golang.org/genproto/googleapis/api/expr/v1alpha1"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

// Bounds of a filter, checked before it is parsed: the parser builds errors
// that grow with the square of the nesting (4 kB of "(" make one of 152 MB).
const (
	maxFilter  = 1024
	maxNesting = 32
)

// condition is a compiled filter. What it says of state and service stands
// apart, because the store has indexes for that; match is the rest.
type condition struct {
	states  []jobsv1.State // nil means any
	service string         // empty means any
	match   func(*store.Entry) bool
	never   bool // the parts contradict each other
	derived bool // what match says depends on more than the store
	cost    int  // bytes of a job that match looks at, at most
}

// compiler compiles a filter.
type compiler struct {
	reason func(*store.Entry) jobsv1.Reason // of a job now
	asked  bool                             // whether the filter asks for reasons
	cost   int                              // bytes of a job that it looks at, at most
	costs  map[string]int                   // cost by field
}

// parseFilter compiles a filter in the language of AIP-160. Its errors are written for
// the one who typed the filter; the parser's own never pass. reason is the reason of a job now.
func parseFilter(filter string, reason func(*store.Entry) jobsv1.Reason) (condition, error) {
	filter = strings.TrimSpace(filter)
	if filter == "" {
		return condition{}, nil
	}
	if err := guardFilter(filter); err != nil {
		return condition{}, err
	}
	var p filtering.Parser
	p.Init(filter)
	parsed, err := p.Parse()
	if err != nil {
		return condition{}, job.Invalid("filter", `cannot be read; a filter looks like: state = RUNNING AND service = "GenomeAssembly" AND output_name = "*phage*"`)
	}
	c := compiler{reason: reason}
	cond, err := c.compile(parsed.GetExpr())
	if err == nil {
		err = c.check()
	}
	cond.derived, cond.cost = c.asked, c.cost
	return cond, err
}

// guardFilter refuses what must not reach the parser.
func guardFilter(filter string) error {
	if len(filter) > maxFilter {
		return job.Invalid("filter", "is longer than %d bytes", maxFilter)
	}
	if !utf8.ValidString(filter) {
		return job.Invalid("filter", "is not valid UTF-8")
	}
	depth, before := 0, byte(' ')
	var quote byte
	for i := range len(filter) {
		c := filter[i]
		switch {
		case quote != 0:
			if c == quote && before != '\\' {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '(':
			if before != ' ' && before != '(' && before != '-' {
				return job.Invalid("filter", "has \"(\" right after a word; there are no functions, and NOT, AND and OR need a space before \"(\"")
			}
			if depth++; depth > maxNesting {
				return job.Invalid("filter", "has parentheses nested deeper than %d", maxNesting)
			}
		case c == ')':
			depth--
		}
		before = c
	}
	if depth != 0 || quote != 0 {
		return job.Invalid("filter", "has a parenthesis or a quote that is not closed")
	}
	return nil
}

func (c *compiler) compile(e *expr.Expr) (condition, error) {
	if call := e.GetCallExpr(); call != nil {
		switch call.GetFunction() {
		case filtering.FunctionAnd, filtering.FunctionFuzzyAnd:
			return c.compileTwo(call, and)
		case filtering.FunctionOr:
			return c.compileTwo(call, or)
		case filtering.FunctionNot:
			cond, err := c.compile(call.GetArgs()[0])
			return not(cond), err
		default:
			return c.compileRestriction(call)
		}
	}
	word, err := literal(e)
	if err != nil {
		return condition{}, err
	}
	if err := checkWord(e); err != nil {
		return condition{}, err
	}
	c.spend("words without a field", costWord)
	return condition{match: searchWord(word)}, nil
}

// checkWord refuses bare words that are mistakes for something else: operators in small letters, and fields without
// a comparison. In quotes they are words like all others.
func checkWord(e *expr.Expr) error {
	name, ok := e.GetExprKind().(*expr.Expr_IdentExpr)
	if !ok {
		return nil
	}
	word := name.IdentExpr.GetName()
	switch upper := strings.ToUpper(word); {
	case upper == "AND" || upper == "OR" || upper == "NOT":
		return job.Invalid("filter", "has %q as a word to look for: write %s for the operator, or \"%s\" in quotes for the word", word, upper, word)
	case slices.Contains([]string{"IS", "IN", "EQ", "NE", "LT", "GT", "LE", "GE", "LIKE", "CONTAINS"}, upper):
		return job.Invalid("filter", "has %q as a word to look for: comparisons are =, !=, <, <=, >, >= and :. Write \"%s\" in quotes for the word", word, word)
	case !strings.ContainsFunc(word, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }):
		return job.Invalid("filter", "has %q as a word to look for: the operators are AND, OR and NOT. Write \"%s\" in quotes for the word", call.Short(word), call.Short(word))
	case isField(word):
		return job.Invalid("filter", "has the field %s without a comparison, such as %s = VALUE. Write \"%s\" in quotes for the word", word, word, word)
	}
	return nil
}

func (c *compiler) compileTwo(call *expr.Expr_Call, join func(a, b condition) condition) (condition, error) {
	a, err := c.compile(call.GetArgs()[0])
	if err != nil {
		return a, err
	}
	b, err := c.compile(call.GetArgs()[1])
	return join(a, b), err
}

func and(a, b condition) condition {
	c := condition{states: a.states, service: a.service, never: a.never || b.never}
	switch {
	case c.states == nil:
		c.states = b.states
	case b.states != nil:
		if c.states = intersect(a.states, b.states); len(c.states) == 0 {
			c.never = true
		}
	}
	if c.service == "" {
		c.service = b.service
	} else if b.service != "" && b.service != c.service {
		c.never = true
	}
	switch {
	case a.match == nil:
		c.match = b.match
	case b.match == nil:
		c.match = a.match
	default:
		c.match = func(e *store.Entry) bool { return a.match(e) && b.match(e) }
	}
	return c
}

func or(a, b condition) condition {
	switch {
	case a.never:
		return b
	case b.never:
		return a
	case a.onlyStates() && b.onlyStates():
		return condition{states: append(a.states, b.states...)}
	}
	am, bm := a.whole(), b.whole()
	return condition{match: func(e *store.Entry) bool { return am(e) || bm(e) }}
}

func not(c condition) condition {
	m := c.whole()
	return condition{match: func(e *store.Entry) bool { return !m(e) }}
}

func (c condition) onlyStates() bool {
	return c.states != nil && c.service == "" && c.match == nil && !c.never
}

// whole is the condition with everything in one function.
func (c condition) whole() func(*store.Entry) bool {
	return func(e *store.Entry) bool {
		switch {
		case c.never:
			return false
		case c.states != nil && !hasState(c.states, e.State()):
			return false
		case c.service != "" && e.Service() != c.service:
			return false
		default:
			return c.match == nil || c.match(e)
		}
	}
}

func hasState(states []jobsv1.State, s jobsv1.State) bool {
	return slices.Contains(states, s)
}

func intersect(a, b []jobsv1.State) []jobsv1.State {
	var both []jobsv1.State
	for _, s := range a {
		if hasState(b, s) {
			both = append(both, s)
		}
	}
	return both
}

// literal is the text of a word, a quoted text or a number, also of one with dots in it.
func literal(e *expr.Expr) (string, error) {
	switch {
	case e.GetIdentExpr() != nil:
		return e.GetIdentExpr().GetName(), nil
	case e.GetSelectExpr() != nil:
		left, err := literal(e.GetSelectExpr().GetOperand())
		return left + "." + e.GetSelectExpr().GetField(), err
	}
	switch k := e.GetConstExpr().GetConstantKind().(type) {
	case *expr.Constant_StringValue:
		return k.StringValue, nil
	case *expr.Constant_Int64Value:
		return strconv.FormatInt(k.Int64Value, 10), nil
	case *expr.Constant_DoubleValue:
		return fmt.Sprint(k.DoubleValue), nil
	case *expr.Constant_BoolValue:
		return strconv.FormatBool(k.BoolValue), nil
	default:
		return "", job.Invalid("filter", "compares with something that is no word, text or number")
	}
}
