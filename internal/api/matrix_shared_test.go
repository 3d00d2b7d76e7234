package api_test

import (
	"maps"
	"slices"
	"testing"

	"google.golang.org/grpc/metadata"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/auth"
)

// The column of the table that sharing opens, executed like the others: every method that addresses a
// job of somebody else, by one who was given one right of it. What the right does not open does not exist.
func TestTheSharedColumnOverTheWire(t *testing.T) {
	m := newMatrix(t)
	methods := contractMethods()
	for _, right := range []jobsv1.ShareRight{
		jobsv1.ShareRight_SHARE_RIGHT_HISTORY, jobsv1.ShareRight_SHARE_RIGHT_LOGS,
		jobsv1.ShareRight_SHARE_RIGHT_RESULTS, jobsv1.ShareRight_SHARE_RIGHT_RERUN,
	} {
		guest := m.guest("guest-"+right.String(), right)
		opened := 0
		for _, name := range slices.Sorted(maps.Keys(methods)) {
			row := m.rows[name]
			if row.foreign == nil {
				continue
			}
			want := guest.expected(name, auth.Foreign)
			if need := auth.SharedBy(name); need == right || need == jobsv1.ShareRight_SHARE_RIGHT_HISTORY {
				want = allowed
				opened++
			}
			m.cell(t, methods[name], row, row.foreign, guest, want, "shared")
		}
		if opened < 3 { // Get, BatchGet and WatchStatus at the least
			t.Errorf("%s opens only %d methods", right, opened)
		}
	}
}

// guest is a user with whom zoe shares all of her jobs.
func (m *matrix) guest(user string, right jobsv1.ShareRight) person {
	m.Helper()
	jobs, err := m.jobs().List(m.as("zoe"), &jobsv1.ListRequest{})
	must(m, err)
	for _, j := range jobs.GetJobs() {
		_, err := m.jobs().Share(m.as("zoe"), &jobsv1.ShareRequest{Id: j.GetId(), User: user, Rights: []jobsv1.ShareRight{right}, UnknownUser: true})
		must(m, err)
	}
	must(m, m.upload(m.as(user), "/in.txt", "x")) // a rerun reads the caller's files and not the owner's
	_, text, err := auth.NewTokens(m.store, m.auth).Create(m.Context(), auth.Grant{User: user})
	must(m, err)
	principal := auth.Principal{User: user, Roles: []auth.Role{auth.RoleUser}}
	return person{user, principal, metadata.Pairs("authorization", "Bearer "+text)}
}
