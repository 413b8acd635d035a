# A sample ruleset: listings that Wildwarden suspects go to a person. Events look like
# {"listing": {"id": "42", "seller": "s-19", "title": "...", "description": "...", "photos": ["<base64>", "..."]}}
# `photos` must be there, [] where there are none: Osprey skips what lacks a value, and rules over it, and then nobody looks.
# Declare the labels `wildlife_review` (for Listing) and `wildlife_suspected` (for Seller) in config/labels.yaml.

ListingId: Entity[str] = EntityJson(type='Listing', path='$.listing.id')
SellerId: Entity[str] = EntityJson(type='Seller', path='$.listing.seller')
ListingTitle: Optional[str] = JsonData(path='$.listing.title', required=False)
# Locals, which Osprey does not store as features: photos are large.
_Description: Optional[str] = JsonData(path='$.listing.description', required=False)
_Photos: List[str] = JsonData(path='$.listing.photos')

_Rating = RateListing(listing_id=ListingId, title=ListingTitle, description=_Description, photos=_Photos)
WildlifeSuggestion = RatingSuggestion(rating=_Rating)
WildlifeRisk = RatingRisk(rating=_Rating)
WildlifeIvory = RatingProbability(rating=_Rating, of='ivory')
WildlifeReasons = RatingReasons(rating=_Rating)
WildlifeText = RatingText(rating=_Rating)
WildlifeFailure = RatingFailure(rating=_Rating)

# Thresholds are those of the server's policy: `suggestion` has them already.
Wildlife_Review = Rule(
  when_all=[WildlifeSuggestion == 'REVIEW'],
  description=f'{WildlifeText}',
)
Wildlife_Hold = Rule(
  when_all=[WildlifeSuggestion == 'BLOCK'],
  description=f'{WildlifeText}',
)
# What only the platform knows: the second suspicion of one seller.
Wildlife_Again = Rule(
  when_all=[
    WildlifeSuggestion != 'PASS',
    WildlifeFailure == '',
    HasLabel(entity=SellerId, label='wildlife_suspected'),
  ],
  description='This seller was suspected before',
)
# A reason that the platform weighs more than the policy does, and a probability of one category.
Wildlife_Ivory_In_Disguise = Rule(
  when_all=['DISGUISED_CLAIM' in WildlifeReasons, WildlifeIvory >= 0.25],
  description=f'The name of ivory is disguised: {WildlifeText}',
)
# Not rated, so nobody knows: a person looks, and the operator hears of it.
Wildlife_Not_Rated = Rule(
  when_all=[WildlifeFailure != ''],
  description=f'Not rated, or not all of it: {WildlifeFailure}',
)

WhenRules(
  rules_any=[Wildlife_Review, Wildlife_Again, Wildlife_Ivory_In_Disguise, Wildlife_Not_Rated],
  then=[
    DeclareVerdict(verdict='review'),
    LabelAdd(entity=ListingId, label='wildlife_review'),
  ],
)
# Held back until a person has looked: a rating says "suspected", and deletes nothing.
WhenRules(
  rules_any=[Wildlife_Hold],
  then=[
    DeclareVerdict(verdict='hold'),
    LabelAdd(entity=ListingId, label='wildlife_review'),
    LabelAdd(entity=SellerId, label='wildlife_suspected'),
  ],
)
