package jobs

import (
	"strings"

	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

// orderFields are what a list can be sorted by.
var orderFields = map[string]store.Field{
	"id":            store.ByID,
	"submit_time":   store.BySubmitTime,
	"start_time":    store.ByStartTime,
	"complete_time": store.ByCompleteTime,
	"service":       store.ByService,
	"state":         store.ByState,
	"output_name":   store.ByOutputName,
}

// parseOrder reads `field [asc|desc], ...`. Empty is the store's default, newest first.
func parseOrder(s string) ([]store.Order, error) {
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	var order []store.Order
	for part := range strings.SplitSeq(s, ",") {
		words := strings.Fields(part)
		if len(words) == 0 || len(words) > 2 {
			return nil, job.Invalid("orderBy", `must be fields separated by commas, each with " desc" or not`)
		}
		field, ok := orderFields[words[0]]
		if !ok {
			return nil, job.Invalid("orderBy", "knows no field %q; there are submit_time, start_time, complete_time, service, state, output_name and id", call.Short(words[0]))
		}
		o := store.Order{Field: field}
		if len(words) == 2 {
			switch words[1] {
			case "desc":
				o.Desc = true
			case "asc":
			default:
				return nil, job.Invalid("orderBy", `has %q where only "asc" or "desc" can be`, call.Short(words[1]))
			}
		}
		order = append(order, o)
	}
	return order, nil
}
