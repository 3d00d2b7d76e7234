package cli

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// fakeCaller is who everybody is to the fake.
const fakeCaller = "tester"

func (f *fake) Share(_ context.Context, req *jobsv1.ShareRequest) (*jobsv1.ShareResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	j := f.find(req.GetId())
	switch {
	case j == nil || j.GetOwner() != fakeCaller:
		return nil, errNoJob
	case req.GetUser() == fakeCaller:
		return nil, invalid(violation("user", "is the owner of the job"))
	case !req.GetUnknownUser(): // nobody else was ever here
		return nil, refuse(codes.FailedPrecondition, "USER_UNKNOWN", "Nobody of that name was ever seen here.")
	}
	sh := &jobsv1.Share{JobId: req.GetId(), User: req.GetUser(), Rights: req.GetRights(), CreateTime: timestamppb.Now()}
	f.unshare(req.GetId(), req.GetUser())
	f.shares = append(f.shares, sh)
	return &jobsv1.ShareResponse{Share: sh}, nil
}

func (f *fake) unshare(id, user string) {
	f.shares = slices.DeleteFunc(f.shares, func(sh *jobsv1.Share) bool { return sh.GetJobId() == id && sh.GetUser() == user })
}

func (f *fake) Unshare(_ context.Context, req *jobsv1.UnshareRequest) (*jobsv1.UnshareResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if j := f.find(req.GetId()); j == nil || j.GetOwner() != fakeCaller {
		return nil, errNoJob
	}
	f.unshare(req.GetId(), req.GetUser())
	return &jobsv1.UnshareResponse{}, nil
}

func (f *fake) ListShares(_ context.Context, req *jobsv1.ListSharesRequest) (*jobsv1.ListSharesResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.find(req.GetId()) == nil {
		return nil, errNoJob
	}
	var found []*jobsv1.Share
	for _, sh := range f.shares {
		if sh.GetJobId() == req.GetId() {
			found = append(found, sh)
		}
	}
	found, next := pageOf(found, req)
	return &jobsv1.ListSharesResponse{Shares: found, NextPageToken: next}, nil
}

func (f *fake) ListSharedWithMe(_ context.Context, req *jobsv1.ListSharedWithMeRequest) (*jobsv1.ListSharedWithMeResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []*jobsv1.Share
	for _, sh := range f.shares {
		if sh.GetUser() == fakeCaller {
			with := proto.CloneOf(sh)
			with.Job = proto.CloneOf(f.find(sh.GetJobId()).Job)
			found = append(found, with)
		}
	}
	found, next := pageOf(found, req)
	return &jobsv1.ListSharedWithMeResponse{Shares: found, NextPageToken: next}, nil
}

// pageOf cuts a page out of a list.
func pageOf[T any](all []T, req interface {
	GetPageSize() int32
	GetPageToken() string
},
) (page []T, next string) {
	from, _ := strconv.Atoi(req.GetPageToken())
	to := min(from+int(req.GetPageSize()), len(all))
	if to < len(all) {
		next = strconv.Itoa(to)
	}
	return all[from:to], next
}

// received makes a job somebody else's that is shared with the caller.
func (f *fake) received(id, owner string, rights ...jobsv1.ShareRight) {
	f.update(id, func(j *fakeJob) { j.Owner = owner })
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shares = append(f.shares, &jobsv1.Share{JobId: id, User: fakeCaller, Rights: rights, CreateTime: timestamppb.Now()})
}

func (f *fake) ListQueue(_ context.Context, req *adminv1.ListQueueRequest) (*adminv1.ListQueueResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	res := &adminv1.ListQueueResponse{}
	var rows []*adminv1.QueueRow
	for _, j := range f.jobs {
		switch j.GetState() {
		case jobsv1.State_STATE_QUEUED:
			res.TotalQueued++
		case jobsv1.State_STATE_RUNNING:
			res.TotalRunning++
		default:
			continue
		}
		if req.GetState() != 0 && req.GetState() != j.GetState() {
			continue
		}
		r := &adminv1.QueueRow{State: j.GetState(), SubmitTime: j.GetSubmitTime(), StartTime: j.GetStartTime(), Resources: &jobsv1.Resources{Cpus: 4, MemoryBytes: 8 << 30}}
		if r.Masked = strings.HasPrefix(j.GetOwner(), "other"); !r.GetMasked() {
			r.Id, r.Owner, r.Service, r.OutputName, r.Reason, r.Executor = j.GetId(), j.GetOwner(), j.GetService(), j.GetOutputName(), j.GetReason(), "fake"
		}
		rows = append(rows, r)
	}
	from, _ := strconv.Atoi(req.GetPageToken())
	to := min(from+int(req.GetPageSize()), len(rows))
	if res.Rows = rows[from:to]; to < len(rows) {
		res.NextPageToken = strconv.Itoa(to)
	}
	return res, nil
}

// fakeRetention is how long the fake keeps what nobody keeps.
const fakeRetention = 3 * 24 * time.Hour

func (f *fake) Keep(_ context.Context, req *jobsv1.KeepRequest) (*jobsv1.KeepResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	j := f.find(req.GetId())
	if j == nil || j.GetOwner() != fakeCaller {
		return nil, errNoJob
	}
	j.KeepTime, j.KeptBytes, j.ExpireTime = timestamppb.Now(), 2048, nil
	return &jobsv1.KeepResponse{Job: proto.CloneOf(j.Job)}, nil
}

func (f *fake) Unkeep(_ context.Context, req *jobsv1.UnkeepRequest) (*jobsv1.UnkeepResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	j := f.find(req.GetId())
	if j == nil || j.GetOwner() != fakeCaller {
		return nil, errNoJob
	}
	j.KeepTime, j.KeptBytes, j.ExpireTime = nil, 0, timestamppb.New(time.Now().Add(fakeRetention))
	return &jobsv1.UnkeepResponse{Job: proto.CloneOf(j.Job)}, nil
}
