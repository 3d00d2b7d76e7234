package catalog

import (
	"fmt"

	"google.golang.org/protobuf/types/known/structpb"
)

// Unusual returns what parameters have that the description of an app spec has not, in words for the user. Check passes
// it on, as BV-BRC does. There is none of other services.
func (s *Service) Unusual(params *structpb.Struct) []string {
	if s.appSpec == nil {
		return nil
	}
	c := checker{lenient: true}
	c.fields("parameters", s.proto.GetParameters(), params.GetFields())
	return c.unusual
}

// pass notes what a lenient checker passes on.
func (c *checker) pass(field, format string, args ...any) {
	if len(c.unusual) < maxViolations {
		c.unusual = append(c.unusual, field+" "+fmt.Sprintf(format, args...))
	}
}
