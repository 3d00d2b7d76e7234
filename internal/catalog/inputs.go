package catalog

import (
	"google.golang.org/protobuf/types/known/structpb"

	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
)

// Input is a place in parameters that names a file or folder of the owner's workspace.
type Input struct {
	// Field is the place, for example `read1` or `libs[0].read1`. No two inputs of a job share it.
	Field string
	// Path in the workspace.
	Path string
	// Kind is what the path leads to.
	Kind Kind

	value *structpb.Value
}

// Replace puts another path in its place, in the parameters that Files was given.
func (i Input) Replace(path string) {
	i.value.Kind = &structpb.Value_StringValue{StringValue: path}
}

// Files are the places of checked parameters that name files of the workspace,
// in the order of the description. A caller that wants to Replace passes a copy of its own.
func (s *Service) Files(params *structpb.Struct) []Input {
	return inputs(nil, "", s.proto.GetParameters(), params.GetFields())
}

func inputs(out []Input, path string, described []*catalogv1.Parameter, given map[string]*structpb.Value) []Input {
	for _, d := range described {
		v, field := given[d.GetId()], path+d.GetId()
		if list, ok := v.GetKind().(*structpb.Value_ListValue); ok { // also where an app spec has one value
			for i, e := range list.ListValue.GetValues() {
				out = inputsOf(out, at(field, i), d, e)
			}
			continue
		}
		out = inputsOf(out, field, d, v)
	}
	return out
}

func inputsOf(out []Input, field string, d *catalogv1.Parameter, v *structpb.Value) []Input {
	kind := File
	switch d.GetType() {
	case catalogv1.ParameterType_PARAMETER_TYPE_GROUP:
		return inputs(out, field+".", d.GetGroup(), v.GetStructValue().GetFields())
	case catalogv1.ParameterType_PARAMETER_TYPE_FILE:
	case catalogv1.ParameterType_PARAMETER_TYPE_FOLDER:
		kind = Folder
	default:
		return out
	}
	if text, ok := v.GetKind().(*structpb.Value_StringValue); ok {
		out = append(out, Input{Field: field, Path: text.StringValue, Kind: kind, value: v})
	}
	return out
}
