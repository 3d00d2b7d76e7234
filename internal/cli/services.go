package cli

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

func newServicesCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "services [ID]",
		Short: "List the services, or explain one",
		Example: `  stint services
  stint services GenomeAssembly
  stint services -o json | jq -r '.[] | select(.available) | .id'`,
		Args:              arguments(0, 1),
		ValidArgsFunction: a.completeFirst(a.completeServices),
	}
	f := addFormat(cmd)
	cmd.RunE = a.verb(func(ctx context.Context, args []string) error {
		if len(args) == 0 {
			return a.listServices(ctx, *f)
		}
		s, err := a.service(ctx, args[0])
		if err != nil {
			return err
		}
		return a.show(*f, answer{
			messages: []proto.Message{s},
			names:    []string{s.GetId()},
			table:    func() error { a.printService(s); return nil },
		})
	})
	return cmd
}

func (a *app) services(ctx context.Context) ([]*catalogv1.Service, error) {
	client, err := a.catalog()
	if err != nil {
		return nil, err
	}
	var all []*catalogv1.Service
	for req := (&catalogv1.ListRequest{}); ; {
		var res *catalogv1.ListResponse
		err = a.call(ctx, func(ctx context.Context) error {
			res, err = client.List(ctx, req)
			return err
		})
		all = append(all, res.GetServices()...)
		if req.PageToken = res.GetNextPageToken(); err != nil || req.PageToken == "" {
			return all, err
		}
	}
}

// service asks for a service; one that does not exist is an error that names
// what the user may have meant.
func (a *app) service(ctx context.Context, id string) (*catalogv1.Service, error) {
	client, err := a.catalog()
	if err != nil {
		return nil, err
	}
	var res *catalogv1.GetResponse
	err = a.call(ctx, func(ctx context.Context) error {
		res, err = client.Get(ctx, &catalogv1.GetRequest{Id: id})
		return err
	})
	if s, ok := callStatus(err); !ok || s.Code() != codes.NotFound {
		return res.GetService(), err
	}
	text := fmt.Sprintf("there is no service %q", id)
	if all, err := a.services(ctx); err == nil {
		if i := slices.IndexFunc(all, func(s *catalogv1.Service) bool { return alike(s.GetId(), id) || alike(s.GetLabel(), id) }); i >= 0 {
			text += "; did you mean " + all[i].GetId() + "?"
		}
	}
	return nil, &usageError{text: text, details: []string{"stint services lists all."}}
}

// alike reports whether two names differ in case and separators only, or one contains the other.
func alike(a, b string) bool {
	plain := strings.NewReplacer("-", "", "_", "", " ", "")
	a, b = plain.Replace(strings.ToLower(a)), plain.Replace(strings.ToLower(b))
	return len(b) > 2 && strings.Contains(a, b) || len(a) > 2 && strings.Contains(b, a)
}

func (a *app) listServices(ctx context.Context, f format) error {
	all, err := a.services(ctx)
	if err != nil {
		return err
	}
	g := grid{columns: []column{
		{title: "ID"},
		{title: "LABEL", least: 8, drop: 1},
		{title: "CATEGORY", drop: 2},
		{title: "AVAILABLE", color: func(cell string) string {
			if cell == "no" {
				return red
			}
			return green
		}},
		{title: "DESCRIPTION", least: 12},
	}}
	for _, s := range all {
		description := firstSentence(s.GetDescription())
		if !s.GetAvailable() {
			description = s.GetUnavailableReason()
		}
		g.add(s.GetId(), s.GetLabel(), s.GetCategory(), yesNo(s.GetAvailable()), description)
	}
	return a.show(f, answer{
		messages: messagesOf(all), list: true,
		names: namesOf(all, (*catalogv1.Service).GetId),
		table: func() error { g.print(a.out, a.screen); return nil },
	})
}

func firstSentence(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if i := strings.Index(s, ". "); i > 0 {
		return s[:i+1]
	}
	return s
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (a *app) printService(s *catalogv1.Service) {
	available := "yes"
	if !s.GetAvailable() {
		available = "no: " + s.GetUnavailableReason()
	}
	a.printFacts([]fact{
		{"Service", s.GetId()},
		{"Label", s.GetLabel()},
		{"Category", s.GetCategory()},
		{"Description", s.GetDescription()},
		{"Available", available},
		{"Executor", s.GetExecutor()},
		{"Asks for", resourceWords(s.GetDefaultResources())},
		{"Resources", serviceBounds(s.GetTakesAdvice(), s.GetMaxResources())},
	})
	if len(s.GetParameters()) == 0 {
		return
	}
	fmt.Fprintln(a.out)
	g := grid{columns: []column{
		{title: "PARAMETER"},
		{title: "TYPE"},
		{title: "REQUIRED"},
		{title: "DEFAULT", least: 6, drop: 2},
		{title: "VALUES", least: 10, drop: 1},
		{title: "DESCRIPTION", least: 14, wrap: true},
	}}
	addParameterRows(&g, "", s.GetParameters())
	g.print(a.out, a.screen)
	if a.screen.tty {
		fmt.Fprintln(a.out)
		fmt.Fprintln(a.out, "Submit: "+clean(exampleSubmit(s)))
	}
}

func addParameterRows(g *grid, prefix string, parameters []*catalogv1.Parameter) {
	for _, p := range parameters {
		kind := parameterWord(p.GetType())
		if p.GetMultiple() {
			kind += "..."
		}
		var value string
		if p.GetDefaultValue() != nil {
			if text, err := compactJSON(p.GetDefaultValue()); err == nil {
				value = strings.Trim(string(text), `"`)
			}
		}
		g.add(prefix+p.GetId(), kind, yesNo(p.GetRequired()), value, allowed(p), cmp.Or(p.GetDescription(), p.GetLabel()))
		addParameterRows(g, prefix+p.GetId()+".", p.GetGroup())
	}
}

func parameterWord(t catalogv1.ParameterType) string {
	return strings.ToLower(strings.TrimPrefix(t.String(), "PARAMETER_TYPE_"))
}

// allowed says which values a parameter may take.
func allowed(p *catalogv1.Parameter) string {
	var words []string
	if len(p.GetEnumValues()) > 0 {
		words = append(words, strings.Join(p.GetEnumValues(), "|"))
	}
	unit := ""
	if p.GetType() == catalogv1.ParameterType_PARAMETER_TYPE_STRING {
		unit = " characters"
	}
	switch {
	case p.Min != nil && p.Max != nil:
		words = append(words, fmt.Sprintf("%v to %v%s", p.GetMin(), p.GetMax(), unit))
	case p.Min != nil:
		words = append(words, fmt.Sprintf("from %v%s", p.GetMin(), unit))
	case p.Max != nil:
		words = append(words, fmt.Sprintf("up to %v%s", p.GetMax(), unit))
	}
	if len(p.GetExtensions()) > 0 {
		words = append(words, strings.Join(p.GetExtensions(), " "))
	}
	return strings.Join(words, ", ")
}

// exampleSubmit is a command that submits the service with what it requires.
func exampleSubmit(s *catalogv1.Service) string {
	words := []string{"stint submit", s.GetId()}
	for _, p := range s.GetParameters() {
		if !p.GetRequired() {
			continue
		}
		value := strings.ToUpper(parameterWord(p.GetType()))
		switch {
		case p.GetType() == catalogv1.ParameterType_PARAMETER_TYPE_FILE:
			value = "@FILE"
		case len(p.GetEnumValues()) > 0:
			value = p.GetEnumValues()[0]
		}
		words = append(words, "-p "+p.GetId()+"="+value)
	}
	return strings.Join(words, " ")
}

// resourceWords puts what a job asks for into words.
func resourceWords(r *jobsv1.Resources) string {
	var words []string
	if n := r.GetCpus(); n > 0 {
		words = append(words, plural(int64(n), "core"))
	}
	if n := r.GetMemoryBytes(); n > 0 {
		words = append(words, humanBytes(n)+" memory")
	}
	if n := r.GetGpus(); n > 0 {
		words = append(words, plural(int64(n), "GPU"))
	}
	for _, name := range slices.Sorted(maps.Keys(r.GetNamed())) {
		words = append(words, fmt.Sprintf("%d of %s", r.GetNamed()[name], clean(name)))
	}
	if r.GetTimeLimit() != nil {
		words = append(words, "at most "+humanDurationOf(r.GetTimeLimit()))
	}
	for _, w := range []struct{ name, value string }{
		{"partition", r.GetPartition()}, {"account", r.GetAccount()}, {"constraint", r.GetConstraint()}, {"quality of service", r.GetQos()},
	} {
		if w.value != "" {
			words = append(words, w.name+" "+w.value)
		}
	}
	return strings.Join(words, ", ")
}
