package api

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoregistry"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/api/validate"
	"github.com/stint-jobs/stint/internal/layers"
)

// NewValidator returns what holds the requests of all calls to the bounds that the contract declares.
func NewValidator() (*validate.Validator, error) {
	var messages []proto.Message
	for method := range sizes {
		name, err := inputOf(method)
		if err != nil {
			return nil, fmt.Errorf("find the request of %s: %w", method, err)
		}
		found, err := protoregistry.GlobalTypes.FindMessageByName(name)
		if err != nil {
			return nil, fmt.Errorf("find the request of %s: %w", method, err)
		}
		messages = append(messages, found.New().Interface())
	}
	return validate.New(messages...)
}

// Validated refuses requests that are not within the bounds of the contract. It goes behind the layers that say who calls and
// that bound how large a message is, and looks at each message of a stream.
func Validated(v *validate.Validator) layers.Layer {
	return func(c *layers.Call) (func(error) error, error) {
		if c.IsStream() {
			c.Wrap(func(inner grpc.ServerStream) grpc.ServerStream { return validated{inner, v} })
			return nil, nil
		}
		if err := c.Receive(); err != nil {
			return nil, err
		}
		m, ok := message(c.Request)
		if !ok {
			return nil, nil
		}
		wrong, err := v.Check(m)
		switch {
		case err != nil:
			return nil, err
		case !findsMore(c.Method):
			return nil, wrong.Err()
		}
		for _, v := range wrong {
			if v.Field == "job" || v.Field == "jobs" { // without jobs there is nothing to find
				return nil, wrong.Err()
			}
		}
		if len(wrong) > 0 {
			c.SetContext(call.WithViolations(c.Context(), wrong))
		}
		return nil, nil
	}
}

// findsMore reports whether the handler of a call has more to say of a request than what is wrong with it already: whether
// there is such a service, and how its parameters are. Callers are told all of it at once.
func findsMore(method string) bool {
	switch method {
	case jobsv1.JobService_Submit_FullMethodName, jobsv1.JobService_BatchSubmit_FullMethodName, jobsv1.JobService_Rerun_FullMethodName:
		return true
	default:
		return false
	}
}

// validated is a stream whose messages are held to their bounds.
type validated struct {
	grpc.ServerStream
	validator *validate.Validator
}

// RecvMsg reads the next message, and refuses one that is not within its bounds.
func (s validated) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	request, ok := message(m)
	if !ok {
		return nil
	}
	wrong, err := s.validator.Check(request)
	if err != nil {
		return err
	}
	return wrong.Err()
}

// Context is that of the stream within.
func (s validated) Context() context.Context { return s.ServerStream.Context() }
