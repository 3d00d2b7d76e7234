package slurm

import (
	"context"
	"strings"
	"time"

	"github.com/stint-jobs/stint/internal/executor/batch"
)

// fakeAccounts are what slurmdbd knows of accounts, and the controller from it.
type fakeAccounts struct {
	enforced bool // the controller refuses accounts that it does not know
	known    map[string]*fakeAccount
	denied   bool          // the user may not manage accounts
	lag      time.Duration // the controller hears so much later of what is new
	changes  []string      // calls of sacctmgr that were to change something
}

// fakeAccount is one.
type fakeAccount struct {
	description string
	users       []string
	since       time.Time // when its last user was added
}

var saysUnknownAccount = saysNo

// refuse returns what sbatch says of an account that may not be used.
func (a *fakeAccounts) refuse(args []string) batch.Answer {
	for _, arg := range args {
		name, ok := strings.CutPrefix(arg, "--account=")
		if !ok || !a.enforced {
			continue
		}
		if found := a.known[name]; found == nil || len(found.users) == 0 || time.Since(found.since) < a.lag {
			return saysUnknownAccount
		}
	}
	return batch.Answer{}
}

func (f *fakeSlurm) runSacctmgr(ctx context.Context, c batch.Call) batch.Answer {
	a := &f.accounts
	switch {
	case f.noBooks:
		return batch.Answer{Code: 1, Stderr: "You are not running a supported accounting_storage plugin\nOnly 'accounting_storage/slurmdbd' is supported.\n"}
	case f.booksHang:
		return f.hang(ctx)
	case f.booksDown:
		return batch.Answer{Code: 1, Stderr: "sacctmgr: error: Sending PersistInit msg: Connection refused\n"}
	}
	words := make(map[string]string)
	for _, arg := range c.Args {
		if name, value, ok := strings.Cut(arg, "="); ok {
			words[name] = value
		}
	}
	line := strings.Join(c.Args, " ")
	if strings.Contains(line, " show ") {
		return a.show(line, words)
	}
	a.changes = append(a.changes, line)
	if a.denied {
		return batch.Answer{Code: 1, Stdout: " Adding Account(s)\n  x\n", Stderr: " Problem adding accounts: Access/permission denied\n"}
	}
	if a.known == nil {
		a.known = make(map[string]*fakeAccount)
	}
	const nothing = " Nothing new added.\n"
	switch {
	case strings.HasPrefix(line, "--immediate add account "):
		name := c.Args[3]
		if a.known[name] != nil {
			return batch.Answer{Code: 1, Stdout: nothing}
		}
		a.known[name] = &fakeAccount{description: words["description"]}
		return batch.Answer{Stdout: " Adding Account(s)\n  " + name + "\n"}
	case strings.HasPrefix(line, "--immediate add user "):
		found := a.known[words["account"]]
		if found == nil {
			return batch.Answer{Code: 1, Stdout: " This account '" + words["account"] + "' doesn't exist.\n        Contact your admin to add this account.\n" + nothing}
		}
		if len(found.users) > 0 {
			return batch.Answer{Code: 1, Stdout: nothing}
		}
		found.users, found.since = append(found.users, c.Args[3]), time.Now()
		return batch.Answer{Stdout: " Associations =\n"}
	}
	return batch.Answer{Code: 1, Stderr: "invalid keyword\n"}
}

func (a *fakeAccounts) show(line string, words map[string]string) batch.Answer {
	var out strings.Builder
	if strings.Contains(line, " show account ") {
		if found := a.known[words["name"]]; found != nil {
			out.WriteString(words["name"] + "|" + found.description + "\n")
		}
		return batch.Answer{Stdout: out.String()}
	}
	name := words["account"]
	if found := a.known[name]; found != nil {
		for _, user := range append([]string{""}, found.users...) {
			out.WriteString(name + "|" + words["cluster"] + "|" + user + "\n")
		}
	}
	return batch.Answer{Stdout: out.String()}
}
