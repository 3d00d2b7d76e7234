// Package catalog is the CatalogService: everybody sees the same services, those
// that the server has loaded at that moment.
package catalog

import (
	"context"
	"strings"

	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/api/page"
	"github.com/stint-jobs/stint/internal/catalog"
	"github.com/stint-jobs/stint/internal/job"
)

// Config is what the service needs. All of it is required.
type Config struct {
	// Catalog has the services.
	Catalog *catalog.Live
	// Pages makes the tokens of pages.
	Pages page.Sealer
	// Inputs checks that files of an owner are there, and adds up their sizes.
	Inputs func(ctx context.Context, owner string, size *int64) catalog.FileChecker
	// Advisor knows what jobs used.
	Advisor Advisor
	// DefaultExecutor runs the jobs of services that name none.
	DefaultExecutor string
}

// Advisor knows what completed jobs used.
type Advisor interface {
	// Advise returns what a job should ask for, by completed jobs like it.
	Advise(j *jobsv1.Job) *jobsv1.Advice
}

// Service is the CatalogService.
type Service struct {
	catalogv1.UnimplementedCatalogServiceServer
	cfg Config
}

// New returns the CatalogService.
func New(cfg Config) *Service { return &Service{cfg: cfg} }

// List returns a page of the services, sorted by label.
func (s *Service) List(_ context.Context, req *catalogv1.ListRequest) (*catalogv1.ListResponse, error) {
	limit, err := page.Size(req.GetPageSize(), page.Max, page.Max)
	if err != nil {
		return nil, err
	}
	after, err := s.cfg.Pages.OpenKey(req.GetPageToken(), "services")
	if err != nil {
		return nil, err
	}
	part, next := page.Cut(s.cfg.Catalog.Catalog().List(), labelOf, after, limit)
	return &catalogv1.ListResponse{Services: part, NextPageToken: s.cfg.Pages.SealKey(next, "services")}, nil
}

// labelOf is what services are sorted by: their labels in lower case, and then their ids.
func labelOf(s *catalogv1.Service) string { return strings.ToLower(s.GetLabel()) + "\x00" + s.GetId() }

// Get returns one service.
func (s *Service) Get(_ context.Context, req *catalogv1.GetRequest) (*catalogv1.GetResponse, error) {
	svc, ok := s.cfg.Catalog.Catalog().Get(req.GetId())
	if !ok {
		return nil, job.Missingf("stint.catalog.v1.Service", req.GetId(), "There is no service %q.", call.Short(req.GetId()))
	}
	return &catalogv1.GetResponse{Service: svc.Proto()}, nil
}
