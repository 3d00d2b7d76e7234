package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
)

func newServerCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "server",
		Short: "Show the server: its version, whether it takes jobs, its executors",
		Args:  arguments(0, 0),
	}
	f := addFormat(cmd)
	cmd.RunE = a.verb(func(ctx context.Context, _ []string) error {
		s, err := a.serverStatus(ctx)
		if err != nil {
			return err
		}
		return a.show(*f, answer{
			messages: []proto.Message{s},
			names:    namesOf(s.GetExecutors(), (*adminv1.ExecutorStatus).GetName),
			table:    func() error { a.printServer(s); return nil },
		})
	})
	return cmd
}

func (a *app) serverStatus(ctx context.Context) (*adminv1.GetServerStatusResponse, error) {
	client, err := a.statusService()
	if err != nil {
		return nil, err
	}
	var res *adminv1.GetServerStatusResponse
	err = a.call(ctx, func(ctx context.Context) error {
		res, err = client.GetServerStatus(ctx, &adminv1.GetServerStatusRequest{})
		return err
	})
	return res, err
}

func (a *app) printServer(s *adminv1.GetServerStatusResponse) {
	submissions := "open"
	if !s.GetSubmissionsOpen() {
		submissions = "closed"
	}
	a.printFacts([]fact{
		{"Server", a.link.address()},
		{"Version", s.GetVersion()},
		{"Submissions", submissions},
		{"Message", s.GetMessage()},
		{"You are", s.GetUser() + " (" + strings.Join(s.GetRoles(), ", ") + ")"},
	})
	g := &grid{columns: []column{
		{title: "EXECUTOR"},
		{title: "HEALTHY"},
		{title: "JOBS", right: a.screen.tty},
		{title: "CORES", right: a.screen.tty},
		{title: "MEMORY", right: a.screen.tty},
		{title: "OTHER", drop: 2},
		{title: "UNREACHABLE SINCE", drop: 1},
		{title: "MESSAGE", least: 12, wrap: true},
	}}
	for _, e := range s.GetExecutors() {
		cores, memory := "", ""
		if e.GetTotalCpus() > 0 {
			cores = fmt.Sprintf("%d/%d", e.GetUsedCpus(), e.GetTotalCpus())
		}
		if e.GetTotalMemoryBytes() > 0 {
			memory = a.screen.bytes(e.GetUsedMemoryBytes()) + "/" + a.screen.bytes(e.GetTotalMemoryBytes())
		}
		g.add(e.GetName(), yesNo(e.GetHealthy()), strconv.Itoa(int(e.GetActiveJobs())), cores, memory, countedWords(e.GetResources()),
			a.screen.time(e.GetUnreachableSince()), e.GetMessage())
	}
	if len(g.rows) > 0 {
		a.section(g)
	}
}

// countedWords says how much of what else an executor has is in use.
func countedWords(list []*adminv1.CountedResource) string {
	words := make([]string, len(list))
	for i, r := range list {
		words[i] = fmt.Sprintf("%s %d/%d", clean(r.GetName()), r.GetUsed(), r.GetTotal())
	}
	return strings.Join(words, ", ")
}
