package catalog

import (
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"
)

// EnvPrefix begins the name of every variable that carries a parameter, so that
// none of them can be one that the system gives a meaning to.
const EnvPrefix = "STINT_PARAM_"

// Env is checked parameters as variables of the environment, in the order of the
// description: one for each single value, `true` or `false` for a truth, plain decimals for
// numbers. Lists and groups are in params.json only. Parameters that were not given have none.
func (s *Service) Env(params *structpb.Struct) []string {
	var out []string
	for _, d := range s.proto.GetParameters() {
		// An app spec may have ids that no shell can name.
		if d.GetMultiple() || !validParameterID.MatchString(d.GetId()) {
			continue
		}
		text, ok := scalarText(params.GetFields()[d.GetId()])
		if ok && !strings.ContainsRune(text, 0) {
			out = append(out, EnvPrefix+d.GetId()+"="+text)
		}
	}
	return out
}

func scalarText(v *structpb.Value) (string, bool) {
	switch k := v.GetKind().(type) {
	case *structpb.Value_StringValue:
		return k.StringValue, true
	case *structpb.Value_NumberValue:
		return decimal(k.NumberValue), true
	case *structpb.Value_BoolValue:
		return strconv.FormatBool(k.BoolValue), true
	default:
		return "", false
	}
}
