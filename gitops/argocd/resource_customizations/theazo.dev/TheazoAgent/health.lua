-- The status is in kstatus format, and its observedGeneration is of use:
-- https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md
local hs = { status = "Progressing", message = "Waiting for the operator" }

if obj.metadata.deletionTimestamp ~= nil then
  hs.message = "Being deleted"
  return hs
end

if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return hs
end

local ready = nil
local holds = {}
for _, condition in ipairs(obj.status.conditions or {}) do
  if condition.type == "Ready" then
    ready = condition
  end
  holds[condition.type] = condition.status == "True"
end

if ready ~= nil then
  hs.message = ready.reason
  if ready.message ~= nil and ready.message ~= "" then
    hs.message = ready.reason .. ": " .. ready.message
  end
end

if holds["Stalled"] then
  hs.status = "Degraded"
elseif holds["Ready"] and not holds["Reconciling"] then
  hs.status = "Healthy"
end
return hs
