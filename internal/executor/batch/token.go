package batch

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/job"
)

// A token is the name of one attempt on the cluster, `stint-INSTALL-JOB-ATTEMPT`.
// It is the job's name and, being durable and unique, the executor's handle.
type token struct {
	install string
	job     job.ID
	attempt int
}

// installPattern keeps tokens within what every the cluster takes for a job's name
// and free of what would break its line formats: at most 63 bytes in all.
var installPattern = regexp.MustCompile(`^[a-z0-9]{1,24}$`)

// prefix is how the names of all jobs of an installation begin.
func prefix(install string) string { return "stint-" + install + "-" }

func (t token) String() string {
	return prefix(t.install) + t.job.String() + "-" + strconv.Itoa(t.attempt)
}

func (t token) handle() executor.Handle { return executor.Handle(t.String()) }

// parseToken reads a token of the installation.
func parseToken(install, s string) (token, error) {
	rest, ok := strings.CutPrefix(s, prefix(install))
	id, number, found := strings.Cut(rest, "-")
	if !ok || !found {
		return token{}, fmt.Errorf("%q is no attempt of installation %s", s, install)
	}
	jobID, err := job.ParseID(id)
	if err != nil {
		return token{}, fmt.Errorf("%q is no attempt of installation %s: %w", s, install, err)
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || strconv.Itoa(n) != number {
		return token{}, fmt.Errorf("%q is no attempt of installation %s", s, install)
	}
	return token{install: install, job: jobID, attempt: n}, nil
}
