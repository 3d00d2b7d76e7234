package jobs

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/allowlist"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/api/canonical"
	"github.com/stint-jobs/stint/internal/auth"
	"github.com/stint-jobs/stint/internal/catalog"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

// defaultMemory is what a job gets when neither it nor its service says.
const defaultMemory = 1 << 30

// ownerOf is whose the jobs become: the caller's, unless an operator names somebody else.
func (s *Service) ownerOf(ctx context.Context, in submission) (string, error) {
	p, err := call.Caller(ctx)
	if err != nil {
		return "", err
	}
	if in.owner != "" {
		return in.owner, nil
	}
	owner := in.jobs[0].GetOwner()
	for i, j := range in.jobs {
		if j.GetOwner() != owner {
			return "", job.Invalid(in.prefixes[i]+"owner", "differs from that of the first job; a batch belongs to one owner")
		}
	}
	if owner == "" || owner == p.User {
		owner = p.User
	} else if err := call.Named(ctx); err != nil {
		return "", err
	}
	if !job.ValidOwner(owner) {
		return "", job.Invalid(in.prefixes[0]+"owner", "is no user name: letters, digits and . _ @ + - only, at most 128")
	}
	return owner, nil
}

// options has the bounds and the identity of the request for the store.
func (s *Service) options(owner string, in submission) store.SubmitOptions {
	o := store.SubmitOptions{Owner: owner, RequestID: in.requestID, MaxActivePerOwner: s.cfg.MaxActivePerOwner, MaxActive: s.cfg.MaxActive}
	if in.requestID != "" {
		o.RequestHash = canonical.Hash(in.body)
	}
	return o
}

// open refuses everybody but operators while submissions are closed.
func (s *Service) open(ctx context.Context) error {
	set := s.cfg.Store.Settings()
	if p, err := call.Caller(ctx); err != nil || !set.GetSubmissionsClosed() || p.Has(auth.RoleOperator) {
		return err
	}
	message := "New jobs are not accepted at the moment."
	if set.GetMessage() != "" {
		message = set.GetMessage()
	}
	return &job.UserError{Sentinel: job.ErrClosed, Message: message, RetryAfter: time.Minute}
}

// admit checks every job whole and returns them as they are to be stored, or everything that is wrong.
func (s *Service) admit(ctx context.Context, owner string, in submission) ([]*jobsv1.Job, error) {
	ready := make([]*jobsv1.Job, 0, len(in.jobs))
	wrong := call.Violations(ctx)
	for i := range in.jobs {
		j, v := s.admitOne(ctx, owner, in, i)
		ready, wrong = append(ready, j), append(wrong, v...)
	}
	if err := wrong.Err(); err != nil {
		return nil, err
	}
	for _, j := range ready {
		svc, ok := s.cfg.Catalog.Catalog().Get(j.GetService())
		if !ok {
			return nil, job.Userf(job.ErrConflict, "The service %s was removed just now.", j.GetService())
		}
		if ok, reason := svc.Available(); !ok {
			return nil, job.Userf(job.ErrConflict, "The service %s is not available: %s.", j.GetService(), reason)
		}
	}
	return ready, nil
}

func (s *Service) admitOne(ctx context.Context, owner string, in submission, i int) (*jobsv1.Job, job.Violations) {
	asked, prefix := in.jobs[i], in.prefixes[i]
	var wrong job.Violations
	if asked == nil {
		wrong.Add(prefix[:len(prefix)-1], "is missing")
		return nil, wrong
	}
	wrong = job.CheckSubmit(asked, prefix)
	j := &jobsv1.Job{
		Service: asked.GetService(), OutputName: asked.GetOutputName(), OutputFolder: folder(asked.GetOutputFolder()),
		Labels: asked.GetLabels(), Priority: asked.GetPriority(), Retry: asked.GetRetry(), ParentId: asked.GetParentId(), RerunOf: in.rerunOf,
		Executor: asked.GetExecutor(), State: jobsv1.State_STATE_QUEUED, Reason: jobsv1.Reason_REASON_WAITING_FOR_TURN,
		Message: job.Explain(jobsv1.Reason_REASON_WAITING_FOR_TURN, 0, 0),
	}
	if in.rerunOf == "" {
		wrong = append(wrong, s.checkParent(owner, asked.GetParentId(), prefix)...)
	}
	svc, err := s.cfg.Catalog.Catalog().Find(asked.GetService())
	if err != nil {
		if job.ValidServiceID(asked.GetService()) {
			wrong.Add(prefix+"service", "cannot be run: %s", err)
		}
		return j, wrong
	}
	j.ServiceVersion = svc.Proto().GetVersion()
	params, bad := svc.Check(asked.GetParameters(), s.Inputs(ctx, owner, &j.InputBytes))
	for _, v := range bad {
		wrong = append(wrong, job.Violation{Field: prefix + v.Field, Description: v.Description})
	}
	j.Parameters = params
	s.chooseExecutor(j, svc.Proto().GetExecutor())
	j.Resources = resources(asked.GetResources(), svc.Proto().GetDefaultResources())
	if len(bad) == 0 {
		s.takeAdvice(j, asked.GetResources(), svc.Proto())
	}
	wrong = append(wrong, s.withinLongest(j, asked.GetResources(), prefix)...)
	wrong = append(wrong, withinMaximum(j, asked.GetResources(), svc.Proto(), prefix)...)
	wrong = append(wrong, s.place(j, prefix)...)
	wrong = append(wrong, s.checkNames(ctx, owner, j, names{asked.GetResources(), svc.Proto().GetDefaultResources()}, prefix)...)
	return j, wrong
}

// names are what a job names of a cluster, and what its service has for jobs that name nothing.
type names struct{ asked, ofService *jobsv1.Resources }

// checkNames finds what of its cluster a job may not name. The rules for groups hold where
// the owner submits; what groups others are in is not known.
func (s *Service) checkNames(ctx context.Context, owner string, j *jobsv1.Job, n names, prefix string) job.Violations {
	q := allowlist.Request{
		Executor: j.GetExecutor(), Owner: owner, Service: j.GetService(),
		Asked: allowlist.NamesOf(n.asked), OfService: allowlist.NamesOf(n.ofService),
	}
	if p, err := call.Caller(ctx); err == nil && p.User == owner {
		q.Groups = p.Groups
	}
	var wrong job.Violations
	for _, v := range s.cfg.Names.Check(q) {
		wrong.Add(prefix+"resources."+v.Field, "%s", v.Description)
	}
	return wrong
}

// checkParent finds that a job belongs to none of its owner's. What the parent
// of a repeated job was is not asked again: it may have been deleted since.
func (s *Service) checkParent(owner, parent, prefix string) job.Violations {
	if parent == "" {
		return nil
	}
	var wrong job.Violations
	id, err := job.ParseID(parent)
	if err != nil { // CheckSubmit speaks of what is no id
		return nil
	}
	if _, err := s.cfg.Store.Get(store.OwnedBy(owner), id); err != nil {
		wrong.Add(prefix+"parentId", "is %q, and %s has no such job", parent, owner)
	}
	return wrong
}

// chooseExecutor sets the executor where the request names none.
func (s *Service) chooseExecutor(j *jobsv1.Job, ofService string) {
	if j.GetExecutor() == "" {
		j.Executor = ofService
	}
	if j.GetExecutor() == "" {
		j.Executor = s.cfg.DefaultExecutor
	}
}

// place finds what the executor can never give.
func (s *Service) place(j *jobsv1.Job, prefix string) job.Violations {
	var wrong job.Violations
	if !s.cfg.Scheduler.Has(j.GetExecutor()) {
		wrong.Add(prefix+"executor", "is %q, and this server has no such executor", call.Short(j.GetExecutor()))
		return wrong
	}
	for _, v := range s.cfg.Scheduler.Never(j.GetExecutor(), j.GetResources()) {
		wrong.Add(prefix+"resources."+v.Field, "%s; the job could never start", v.Description)
	}
	return wrong
}

// Inputs checks that the files which parameters name are there, and adds up their sizes.
func (s *Service) Inputs(ctx context.Context, owner string, size *int64) catalog.FileChecker {
	return func(p string, want catalog.Kind) error {
		e, err := s.cfg.Workspace.Stat(ctx, owner, p)
		var invalid *job.InvalidError
		switch {
		case errors.As(err, &invalid):
			return errors.New(invalid.Violations[0].Description)
		case errors.Is(err, job.ErrNotFound):
			return fmt.Errorf("names %s, and there is no such %s in the workspace", call.Short(p), want)
		case err != nil:
			return err
		case e.GetFolder() != (want == catalog.Folder):
			return fmt.Errorf("must be a %s, and %s is not", want, p)
		default:
			*size += e.GetSizeBytes()
			return nil
		}
	}
}

// forecast says what jobs that were only validated would wait for.
func (s *Service) forecast(ready []*jobsv1.Job) []string {
	var all []string
	for _, j := range ready {
		if w := s.cfg.Scheduler.Forecast(j.GetExecutor(), j.GetResources()); w != "" && !slices.Contains(all, w) {
			all = append(all, w)
		}
	}
	return all
}

const (
	// maxUnusual bounds the warnings about parameters that one response has.
	maxUnusual = 100
	// littleMemory is less than any program runs in: a request for it means another unit.
	littleMemory = 1 << 20
)

// unusual says what of the jobs is taken as it is, although it may not be what was meant.
func (s *Service) unusual(in submission, ready []*jobsv1.Job) []string {
	var all []string
	for i, j := range ready {
		if n := in.jobs[i].GetResources().GetMemoryBytes(); n > 0 && n < littleMemory {
			all = append(all, fmt.Sprintf("%sresources.memoryBytes is %d bytes, which is less than any program needs. Was another unit meant, such as %dM?", in.prefixes[i], n, n))
		}
		if svc, ok := s.cfg.Catalog.Catalog().Get(j.GetService()); ok {
			for _, w := range svc.Unusual(in.jobs[i].GetParameters()) {
				all = append(all, in.prefixes[i]+w)
			}
		}
		if len(all) > maxUnusual {
			return append(all[:maxUnusual], "There are more such warnings.")
		}
	}
	return all
}

// resources fills in what a job did not ask for.
func resources(asked, def *jobsv1.Resources) *jobsv1.Resources {
	if def == nil {
		def = &jobsv1.Resources{}
	}
	r := &jobsv1.Resources{
		Cpus: asked.GetCpus(), MemoryBytes: asked.GetMemoryBytes(), TimeLimit: asked.GetTimeLimit(), Gpus: asked.GetGpus(),
		Partition: asked.GetPartition(), Account: asked.GetAccount(), Constraint: asked.GetConstraint(), Qos: asked.GetQos(),
	}
	if r.Cpus == 0 {
		r.Cpus = max(1, def.GetCpus())
	}
	if r.MemoryBytes == 0 {
		if r.MemoryBytes = def.GetMemoryBytes(); r.MemoryBytes == 0 {
			r.MemoryBytes = defaultMemory
		}
	}
	if r.TimeLimit == nil {
		r.TimeLimit = def.GetTimeLimit()
	}
	r.Named = named(asked.GetNamed(), def.GetNamed())
	if r.Gpus == 0 {
		r.Gpus = def.GetGpus()
	}
	for _, f := range []struct{ to, from *string }{
		{&r.Partition, &def.Partition}, {&r.Account, &def.Account}, {&r.Constraint, &def.Constraint}, {&r.Qos, &def.Qos},
	} {
		if *f.to == "" {
			*f.to = *f.from
		}
	}
	return r
}

// named is what a job gets of what the operator named: what it asks for, and at least what its
// service does, since the command needs that much for every user.
func named(asked, def map[string]int64) map[string]int64 {
	all := make(map[string]int64, len(asked)+len(def))
	for _, from := range []map[string]int64{asked, def} {
		for name, n := range from {
			if n != 0 {
				all[name] = max(all[name], n)
			}
		}
	}
	return all
}

func folder(asked string) string {
	if asked == "" {
		return job.DefaultOutputFolder
	}
	clean, err := job.CleanPath(asked)
	if err != nil {
		return asked // CheckSubmit says what is wrong with it
	}
	return path.Clean(clean)
}
