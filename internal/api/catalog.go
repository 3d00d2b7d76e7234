package api

import (
	"context"

	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/catalog"
	"github.com/stint-jobs/stint/internal/job"
)

// services is the CatalogService.
type services struct {
	catalogv1.UnimplementedCatalogServiceServer
	live *catalog.Live
}

// ListServices answers all services, sorted by label.
func (s *services) List(context.Context, *catalogv1.ListRequest) (*catalogv1.ListResponse, error) {
	return &catalogv1.ListResponse{Services: s.live.Catalog().List()}, nil
}

// GetService answers one service.
func (s *services) Get(_ context.Context, req *catalogv1.GetRequest) (*catalogv1.GetResponse, error) {
	svc, ok := s.live.Catalog().Get(req.GetId())
	if !ok {
		return nil, job.Userf(job.ErrNotFound, "There is no service %q.", call.Short(req.GetId()))
	}
	return &catalogv1.GetResponse{Service: svc.Proto()}, nil
}
