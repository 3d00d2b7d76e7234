package call

import (
	"context"
	"slices"

	"github.com/stint-jobs/stint/internal/job"
)

type violationsKey struct{}

// WithViolations adds what is wrong with the request of a call whose handler finds more.
func WithViolations(ctx context.Context, wrong job.Violations) context.Context {
	return context.WithValue(ctx, violationsKey{}, wrong)
}

// Violations returns what is wrong with the request of ctx already. A handler that finds more returns these with it.
func Violations(ctx context.Context) job.Violations {
	wrong, _ := ctx.Value(violationsKey{}).(job.Violations)
	return slices.Clip(wrong)
}
