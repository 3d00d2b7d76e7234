package store

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/credential"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/weight"
)

// steps are the writing methods of Store. Each decides at once what it asks for, and returns the call.
var steps = map[string]func(*history) func() error{
	"Submit":         (*history).submit,
	"Update":         (*history).update,
	"UpdateMany":     (*history).updateMany,
	"Delete":         (*history).delete,
	"ApplyRetention": (*history).applyRetention,
	"ExpireRequests": (*history).expireRequests,
	"FoldersRemoved": (*history).foldersRemoved,
	"Share":          (*history).share,
	"Unshare":        (*history).unshare,
	"AddIssue":       (*history).addIssue,
	"SetSettings":    (*history).setSettings,
	"Audit":          (*history).audit,
	"AuditRead":      (*history).auditRead,
	"PutToken":       (*history).putToken,
	"DeleteToken":    (*history).deleteToken,
	"TouchTokens":    (*history).touchTokens,
	"PutSession":     (*history).putSession,
	"TouchSession":   (*history).touchSession,
	"DeleteSession":  (*history).deleteSession,
	"PurgeSessions":  (*history).purgeSessions,

	"DeleteSessionByID": (*history).deleteSessionByID,
	"EndCredentials":    (*history).endCredentials,
	"ChangeUser":        (*history).changeUser,
	"DeleteJobsOf":      (*history).deleteJobsOf,
	"UnshareWith":       (*history).unshareWith,
	"DeleteIssuesOf":    (*history).deleteIssuesOf,
	"DeleteIssue":       (*history).deleteIssue,
	"FlushReads":        (*history).flushReads,
	"KeepJob":           (*history).keepJob,
	"UnkeepJob":         (*history).unkeepJob,
	"PruneAudit":        (*history).pruneAudit,
}

// offlineSteps are the functions of package file that change the file of a server that does not run.
var offlineSteps = map[string]func(*history, string) error{
	"BeginIncarnation": func(h *history, path string) error {
		_, err := file.BeginIncarnation(path, file.Incarnation{
			Name: h.digit(), Gap: 1 + h.rng.Uint64N(100), FirstID: h.leader.mem.counters.NextID + job.ID(h.rng.IntN(4)), Edit: func(s *storev1.Settings) { s.Message = h.digit() },
			By: &storev1.AuditEntry{User: h.user(), Method: "restore"},
		}, h.follow)
		return err
	},
	"PruneAudit": func(h *history, path string) error {
		_, n, err := file.PruneAudit(path, h.now.Add(-time.Duration(h.rng.IntN(600))*time.Second), &storev1.AuditEntry{User: h.user(), Method: "prune"}, h.follow)
		if n > 0 {
			h.counts["entries of the audit were pruned"]++
		}
		return err
	},
}

// stepNames has the steps as often as they come in turn.
var stepNames = append(slices.Sorted(maps.Keys(steps)),
	"Submit", "Submit", "Update", "Update", "Update", "Update", "UpdateMany", "UpdateMany", "Delete", "Share")

// one reports true once in n times.
func (h *history) one(n int) bool { return h.rng.IntN(n) == 0 }

func (h *history) user() string { return []string{"ada", "bob", "cyd"}[h.rng.IntN(3)] }

func (h *history) digit() string { return strconv.Itoa(h.rng.IntN(10)) }

// id returns the id of one of the latest jobs, or of none.
func (h *history) id() job.ID { return h.leader.mem.counters.NextID - job.ID(h.rng.IntN(8)) }

// ids returns up to n ids, also such as are no job's.
func (h *history) ids(n int) []job.ID {
	ids := make([]job.ID, 1+h.rng.IntN(n))
	for i := range ids {
		ids[i] = h.id()
	}
	return ids
}

func (h *history) scope() Scope {
	switch s := OwnedBy(h.user()); h.rng.IntN(6) {
	case 0:
		return s.With(jobsv1.ShareRight_SHARE_RIGHT_HISTORY)
	case 1, 2:
		return s
	default:
		return Everyone
	}
}

func (h *history) hash() credential.Hash { return credential.Hash{byte(h.rng.IntN(8))} }

// ctx returns a context of somebody, of nobody or of the server.
func (h *history) ctx() context.Context {
	switch h.rng.IntN(4) {
	case 0:
		return Internal(h.Context())
	case 1:
		return h.Context()
	default:
		return WithAudit(h.Context(), &storev1.AuditEntry{User: h.user(), Method: "/test", JobIds: []uint64{7}, Subject: "eve"})
	}
}

func (h *history) submit() func() error {
	o := SubmitOptions{Owner: h.user(), RequestHash: []byte{byte(h.rng.IntN(4))}}
	if h.one(2) {
		o.RequestID = h.digit()
	}
	if h.one(3) {
		o.MaxActivePerOwner, o.MaxActive = 6, 14
	}
	jobs := make([]*jobsv1.Job, 1+h.rng.IntN(3))
	for i := range jobs {
		jobs[i] = &jobsv1.Job{Service: []string{"A", "B"}[h.rng.IntN(2)], Priority: int32(h.rng.IntN(3))}
		if h.one(2) {
			jobs[i].OutputName, jobs[i].Labels = "out"+h.digit(), map[string]string{"n": h.digit(), "m": "x"}
		}
		if h.one(3) {
			jobs[i].ParentId = h.id().String()
			jobs[i].Parameters = &structpb.Struct{Fields: map[string]*structpb.Value{"p": structpb.NewStringValue(h.digit())}}
		}
	}
	ctx := h.ctx()
	return func() error {
		_, _, err := h.leader.Submit(ctx, jobs, o)
		return err
	}
}

var errStep = errors.New("refused by the step")

// edit returns a change of a record, also such as is not legal.
func (h *history) edit() func(*storev1.Record) error {
	state, kind, text := job.States[h.rng.IntN(len(job.States))], h.rng.IntN(9), h.digit()
	at := timestamppb.New(h.now)
	return func(r *storev1.Record) error {
		switch kind {
		case 0:
			return ErrUnchanged
		case 1:
			return errStep
		case 2:
			panic("in a step")
		case 3:
			r.Job.Owner = "eve"
		case 4:
			r.Job.Message, r.Job.CancelTime = text, at
		case 5:
			r.Job.Attempts = append(r.Job.Attempts, &jobsv1.Attempt{Number: file.AttemptOf(r.Job) + 1, StartTime: at})
		default:
			r.Job.State, r.Job.Reason = state, jobsv1.Reason(kind-5)
			if job.Terminal(state) {
				r.Job.CompleteTime = at
			}
		}
		return nil
	}
}

func (h *history) update() func() error {
	ctx, scope, id, edit := h.ctx(), h.scope(), h.id(), h.edit()
	return func() error {
		_, err := h.leader.Update(ctx, scope, id, edit)
		return err
	}
}

func (h *history) updateMany() func() error {
	ctx, scope, ids, edit := h.ctx(), h.scope(), h.ids(4), h.edit()
	return func() error {
		_, err := h.leader.UpdateMany(ctx, scope, ids, edit)
		return err
	}
}

func (h *history) delete() func() error {
	ctx, ids := h.ctx(), h.ids(1)
	if h.one(3) {
		ids = h.ids(3)
	}
	return func() error {
		_, err := h.leader.Delete(ctx, ids...)
		return err
	}
}

func (h *history) applyRetention() func() error {
	ctx, now := h.ctx(), h.now
	return func() error {
		_, err := h.leader.ApplyRetention(ctx, now)
		return err
	}
}

func (h *history) expireRequests() func() error {
	ctx := h.ctx()
	return func() error {
		_, err := h.leader.ExpireRequests(ctx)
		return err
	}
}

// foldersRemoved says so of some jobs that are doomed, and of some that need not be.
func (h *history) foldersRemoved() func() error {
	ctx, ids := h.ctx(), h.ids(2)
	doomed, err := h.leader.Doomed(0, 1+h.rng.IntN(3))
	if err != nil {
		h.Error(err)
	}
	ids = append(ids, doomed...)
	return func() error { return h.leader.FoldersRemoved(ctx, ids...) }
}

// skipIDs is what a start does where there are folders of jobs that the database does not know.
func (h *history) skipIDs() {
	if err := h.leader.skipTo(h.Context(), h.leader.mem.counters.NextID+job.ID(1+h.rng.IntN(4))); err != nil {
		h.Error(err)
	}
}

// sharedWith is a share that may have been made.
type sharedWith struct {
	id   job.ID
	user string
}

func (h *history) share() func() error {
	ctx, scope, id := h.ctx(), h.scope(), h.id()
	share := &jobsv1.Share{User: h.user(), Rights: []jobsv1.ShareRight{jobsv1.ShareRight(1 + h.rng.IntN(3))}}
	h.shared = append(h.shared, sharedWith{id, share.GetUser()})
	return func() error {
		_, err := h.leader.Share(ctx, scope, id, share)
		return err
	}
}

func (h *history) unshare() func() error {
	ctx, with := h.ctx(), sharedWith{h.id(), h.user()}
	if n := len(h.shared); n > 0 {
		with = h.shared[max(0, n-1-h.rng.IntN(5))]
	}
	return func() error { return h.leader.Unshare(ctx, Everyone, with.id, with.user) }
}

func (h *history) addIssue() func() error {
	ctx, id, report := h.ctx(), h.id(), &storev1.Issue{Reporter: h.user(), Description: h.digit()}
	return func() error {
		_, err := h.leader.AddIssue(ctx, id, report)
		return err
	}
}

func (h *history) setSettings() func() error {
	ctx, set := h.ctx(), &storev1.Settings{Message: h.digit(), SubmissionsClosed: h.one(2)}
	if h.one(2) {
		from := uint64(h.id())
		set.ForeignIds = []*storev1.IdRange{{From: from, Until: from + uint64(h.rng.IntN(3))}}
	}
	return func() error { return h.leader.SetSettings(ctx, set) }
}

func (h *history) audit() func() error {
	e := &storev1.AuditEntry{User: h.user(), Method: "read"}
	return func() error { return h.leader.Audit(h.Context(), e) }
}

func (h *history) auditRead() func() error {
	e := &storev1.AuditEntry{User: h.user(), Method: "read"}
	return func() error { return h.leader.AuditRead(h.Context(), e) }
}

func (h *history) putToken() func() error {
	ctx, hash, t := h.ctx(), h.hash(), &storev1.Token{Id: h.digit(), User: h.user()}
	return func() error { return h.leader.PutToken(ctx, hash, t, 3) }
}

func (h *history) deleteToken() func() error {
	ctx, id, user := h.ctx(), h.digit(), ""
	if h.one(3) {
		user = h.user()
	}
	return func() error { return h.leader.DeleteToken(ctx, id, user) }
}

func (h *history) touchTokens() func() error {
	ctx, uses := h.ctx(), map[credential.Hash]time.Time{h.hash(): h.now, h.hash(): h.now}
	return func() error { return h.leader.TouchTokens(ctx, uses) }
}

func (h *history) putSession() func() error {
	ctx, hash := h.ctx(), h.hash()
	session := &storev1.Session{Id: h.digit(), User: h.user(), LastUseTime: timestamppb.New(h.now)}
	return func() error {
		_, err := h.leader.PutSession(ctx, hash, session, 2)
		return err
	}
}

func (h *history) touchSession() func() error {
	ctx, hash, at := h.ctx(), h.hash(), h.now
	return func() error { return h.leader.TouchSession(ctx, hash, at) }
}

func (h *history) deleteSession() func() error {
	ctx, hash := h.ctx(), h.hash()
	return func() error {
		_, err := h.leader.DeleteSession(ctx, hash)
		return err
	}
}

func (h *history) purgeSessions() func() error {
	ctx, before := h.ctx(), h.now.Add(-time.Minute)
	return func() error {
		return h.leader.PurgeSessions(ctx, func(s *storev1.Session) bool { return s.GetLastUseTime().AsTime().Before(before) })
	}
}

func (h *history) deleteSessionByID() func() error {
	ctx, id, user := h.ctx(), h.digit(), ""
	if h.one(3) {
		user = h.user()
	}
	return func() error { return h.leader.DeleteSessionByID(ctx, id, user) }
}

// anybody is now and then somebody of whom nothing is known.
func (h *history) anybody() string {
	if h.one(2) {
		return "gone"
	}
	return h.user()
}

func (h *history) endCredentials() func() error {
	ctx, user, tokens, at := h.ctx(), h.anybody(), h.one(2), timestamppb.New(h.now)
	return func() error {
		_, _, err := h.leader.EndCredentials(ctx, user, tokens, func(u *storev1.User) { u.SignOutTime = at })
		return err
	}
}

// changeUser disables one user who does nothing else, and enables anybody.
func (h *history) changeUser() func() error {
	ctx, user, at := h.ctx(), h.anybody(), timestamppb.New(h.now)
	return func() error {
		return h.leader.ChangeUser(ctx, user, func(u *storev1.User) {
			if u.DisableTime = nil; user == "gone" {
				u.DisableTime = at
			}
		})
	}
}

func (h *history) deleteJobsOf() func() error {
	ctx, user := h.ctx(), h.anybody()
	return func() error {
		_, err := h.leader.DeleteJobsOf(ctx, user)
		return err
	}
}

func (h *history) unshareWith() func() error {
	ctx, user := h.ctx(), h.anybody()
	return func() error {
		_, err := h.leader.UnshareWith(ctx, user)
		return err
	}
}

func (h *history) deleteIssuesOf() func() error {
	ctx, user := h.ctx(), h.anybody()
	return func() error {
		_, err := h.leader.DeleteIssuesOf(ctx, user)
		return err
	}
}

func (h *history) deleteIssue() func() error {
	ctx, id := h.ctx(), IssueID{Job: h.id(), Seq: 1}
	if issues, _, err := h.leader.Issues(0, 5, weight.Bound{}); err != nil {
		h.Error(err)
	} else if len(issues) > 0 {
		id = issues[h.rng.IntN(len(issues))].ID
	}
	return func() error { return h.leader.DeleteIssue(ctx, id) }
}

func (h *history) flushReads() func() error {
	return func() error { h.leader.FlushReads(h.Context()); return nil }
}

func (h *history) pruneAudit() func() error {
	before, by := h.now.Add(-time.Duration(h.rng.IntN(600))*time.Second), &storev1.AuditEntry{User: h.user(), Method: "prune"}
	return func() error {
		_, _, err := h.leader.PruneAudit(h.Context(), before, by)
		return err
	}
}

func (h *history) keepJob() func() error {
	ctx, scope, id, bytes := h.ctx(), h.scope(), h.id(), int64(h.rng.IntN(9))
	return func() error {
		_, err := h.leader.KeepJob(ctx, scope, id, bytes)
		return err
	}
}

func (h *history) unkeepJob() func() error {
	ctx, id := h.ctx(), h.id()
	return func() error {
		_, err := h.leader.UnkeepJob(ctx, Everyone, id)
		return err
	}
}
