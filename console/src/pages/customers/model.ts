/** A customer, as the Project API tells it. */
export interface Customer {
  id: string
  account: string
  name: string
  descr: string
  email: string
  mobile: string
  tags: Record<string, string>
  create_time: number
  count: { device_count: number }
  version?: number
}
